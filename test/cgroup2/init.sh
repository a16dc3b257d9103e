#!/bin/sh
# What a User Mode Linux kernel runs as its first process: ROOT NODE JOB, a job being a folder of
# the host with a wish in it (kernel.ts writes it). The root is the host's own tree, mounted
# read-only: all that is written goes to tmpfs, but the results, which go to the job's folder.
root=$1 node=$2 job=$3
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/job /run/modules/lib
mount -t hostfs -o "$job" job /run/job
# A repository that lies below /tmp or /run is hidden now.
[ -e "$root/package.json" ] || { mkdir -p "$root" && mount -t hostfs -o "ro,$root" root "$root"; }

# The kernel asks for its modules (overlay, loop, bridge, ...) itself when they are needed.
ln -s /usr/lib/uml/modules /run/modules/lib/modules
printf '#!/bin/sh\nexec modprobe -d /run/modules "$@"\n' >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
# Its control node, which would ask for it, comes with the module.
/run/modprobe loop

ip link set lo up
busybox mkswap /dev/ubdb && busybox swapon /dev/ubdb

export TMPDIR=/tmp HOME=/tmp
cd "$root" && "$node" test/cgroup2/inside.ts /run/job
busybox poweroff -f
