#!/usr/bin/env bash
# The few programs outside npm: a C compiler, a static busybox (the embedded image is made of it),
# and what the tests compare with. apt installs what is missing where it can; else this names it.
# (Shell, because it may run before anything else is there.)
set -u

# command -> Debian package; the first three are needed, the others make more tests run.
needed=(cc:gcc make:make busybox:busybox-static)
wanted=(zstd:zstd runc:runc ip:iproute2 mmdebstrap:mmdebstrap nft:nftables iptables:iptables python3:python3 zsh:zsh fish:fish docker-compose:docker-compose linux.uml:user-mode-linux modprobe:kmod docker-registry:docker-registry skopeo:skopeo mkfs.ext4:e2fsprogs openssl:openssl groff:groff-base)
[ "$(uname -m)" = x86_64 ] && wanted+=(qemu-system-x86_64:qemu-system-x86)

missing() {
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair#*:}"
  done
}
# A busybox that needs shared libraries cannot be alone in an image.
dynamic_busybox() {
  local path
  path=$(command -v busybox) && ldd "$path" >/dev/null 2>&1
}

packages=$(missing "${needed[@]}" "${wanted[@]}")
dynamic_busybox && packages="$packages busybox-static"
[ -e /usr/lib/x86_64-linux-gnu/libc.a ] || [ -e /usr/lib/aarch64-linux-gnu/libc.a ] \
  || [ -e /usr/lib/libc.a ] || packages="$packages libc6-dev"
packages=$(echo $packages)
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "setup: apt-get install $packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends $packages >build/apt.log 2>&1 \
    || { apt-get update >>build/apt.log 2>&1 && apt-get install -y --no-install-recommends $packages >>build/apt.log 2>&1; } \
    || echo "setup: apt-get could not install: $packages (build/apt.log says why)" >&2
fi

# A kernel of Debian's for qemu, unpacked and never installed: the modules that the tests need.
kernel=build/debian-kernel
fetch_kernel() {
  local folder=$1 image
  image=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$image" ] || return 1
  (cd "$folder" && apt-get -o APT::Sandbox::User=root download "$image") || return 1
  mkdir "$folder/tree"
  local modules='./lib/modules/*'
  dpkg-deb --fsys-tarfile "$folder"/*.deb | tar -x -C "$folder/tree" --wildcards './boot/vmlinuz-*' \
    "$modules/modules.*" "$modules/kernel/"{arch,block,crypto,fs,lib,net} \
    "$modules/kernel/drivers/"{block,infiniband,virtio} "$modules/kernel/drivers/net/*.ko*" || return 1
  # Later releases pack them, which the initrd's insmod does not undo.
  find "$folder/tree" -name '*.ko.xz' -exec xz -d {} +
  depmod -b "$folder/tree" "$(ls "$folder/tree/lib/modules")" && mv "$folder/tree" "$kernel"
}
if [ ! -e "$kernel" ] && [ "$(id -u)" = 0 ] && command -v apt-get qemu-system-x86_64 depmod >/dev/null 2>&1; then
  echo "setup: apt-get download linux-image-amd64"
  folder=$(mktemp -d build/fetch.XXXXXX)
  { fetch_kernel "$folder" || { apt-get update && rm -rf "$folder"/* && fetch_kernel "$folder"; }; } \
    >>build/apt.log 2>&1 || echo "setup: without a kernel for qemu some tests are skipped (build/apt.log says why)"
  rm -rf "$folder"
fi

lacking=$(echo $(missing "${wanted[@]}"))
[ -n "$lacking" ] && echo "setup: without $lacking some tests are skipped"
lacking=$(echo $(missing "${needed[@]}"))
if [ -n "$lacking" ]; then
  echo "setup: please install: $lacking" >&2
  exit 1
fi
