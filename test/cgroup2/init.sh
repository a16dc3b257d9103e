#!/bin/sh
# What a kernel that was booted for tests runs as its first process in this machine's own tree:
# ROOT NODE JOB MODULES, a job being a folder of the host with a wish in it (kernel.ts writes it).
# The tree is mounted read-only: all that is written goes to tmpfs, but the results, which go to the
# job's folder. MODULES is what modprobe finds lib/modules in.
root=$1 node=$2 job=$3 modules=$4
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# User Mode Linux shows the host's folders itself; qemu has two, by name.
host() {
  if grep -qw hostfs /proc/filesystems; then mount -t hostfs -o "$2$3" "$1" "$4"
  else mount -t 9p -o "$2trans=virtio,version=9p2000.L,msize=512000" "$1" "$4"; fi
}

mount -t proc proc /proc
mount -t sysfs sys /sys
# What may lie below /tmp is out of sight soon.
mount --bind "$root" /mnt
mount --bind "$modules" /srv
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/job /run/modules
host job '' "$job" /run/job
[ -e "$root/package.json" ] || { mkdir -p "$root" && mount --bind /mnt "$root"; }

# The kernel asks for its modules (overlay, loop, bridge, ...) itself when they are needed.
ln -s /srv /run/modules/lib
printf '#!/bin/sh\nexec modprobe -d /run/modules "$@"\n' >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
# Its control node, which would ask for it, comes with the module. The scheduler's files do, too,
# and rdma_rxe is asked for by nobody.
# Those of networks take longer than the engine waits for nft, where each instruction is translated.
networks='bridge br_netfilter veth nf_tables nft_chain_nat nft_ct nft_fib_inet nft_masq nft_nat nft_reject_inet'
/run/modprobe -a loop bfq rdma_rxe $networks 2>/dev/null

ip link set lo up
for swap in /dev/ubdb /dev/vda; do
  [ -b "$swap" ] && busybox mkswap "$swap" && busybox swapon "$swap"
done

echo 'init: the tests begin'
export TMPDIR=/tmp HOME=/tmp
cd "$root" && "$node" test/cgroup2/inside.ts /run/job
busybox poweroff -f
