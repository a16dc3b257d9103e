#!/bin/busybox sh
# First process of the kernel that qemu boots, in its initrd: takes this machine's own tree as the
# root, by 9p and read-only, and goes on there as the other kernel does: ROOT NODE JOB MODULES.
export PATH=/bin
mount() { busybox mount "$@"; }
mount -t proc proc /proc
for module in /modules/*; do busybox insmod "$module"; done
plan9=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,cache=loose,$plan9" root /root || busybox poweroff -f
mount -t devtmpfs dev /root/dev
busybox mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts -o ptmxmode=666 devpts /root/dev/pts
mount -t tmpfs shm /root/dev/shm
exec busybox switch_root /root /bin/sh "$1/test/cgroup2/init.sh" "$@"
