#!/usr/bin/env bash
# make install / make uninstall. The engine is one folder, PREFIX/lib/coracle, that looks like a
# built checkout (bin, dist, build) with its own Node in it; PREFIX/bin has links into it.
# Nothing is started or enabled: the last lines say how.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
lib=$prefix/lib/coracle
units=${SYSTEMD_UNITS:-$prefix/lib/systemd/system}
doc=$prefix/share/doc/coracle
man=$prefix/share/man/man1
bash_completion=$prefix/share/bash-completion/completions/coracle
zsh_completion=$prefix/share/zsh/site-functions/_coracle
fish_completion=$prefix/share/fish/vendor_completions.d/coracle.fish

# systemd's own tools name the folder of its units; without them there is nothing to install for.
has_systemd() { [ -n "$root" ] || [ -d /run/systemd/system ] || command -v systemctl >/dev/null 2>&1; }

install_engine() {
  install -d "$root$lib/bin" "$root$lib/dist" "$root$lib/build" "$root$prefix/bin" "$root$doc"
  rm -rf "$root$lib"/dist/*
  install -m 755 "$(readlink -f node_modules/.bin/node)" "$root$lib/bin/node"
  install -m 755 bin/coracle bin/coracled "$root$lib/bin/"
  find dist -maxdepth 1 -type f -exec install -m 644 -t "$root$lib/dist" {} +
  install -m 755 build/coracle-native "$root$lib/build/"
  install -m 644 package.json "$root$lib/"
  ln -sfn ../lib/coracle/bin/coracle "$root$prefix/bin/coracle"
  ln -sfn ../lib/coracle/bin/coracled "$root$prefix/bin/coracled"
  install -m 644 README.md README.zh-CN.md LICENSE docs/*.md "$root$doc/"
}

# The command writes its own completion; a build without it installs none.
install_completion() {
  local shell path
  for shell in bash zsh fish; do
    path=${shell}_completion
    path=$root${!path}
    if bin/coracle completion "$shell" >build/completion 2>/dev/null && [ -s build/completion ]; then
      install -D -m 644 build/completion "$path"
    fi
  done
}

# The pages are written from the command's own table. Taken away by name, so that nothing else is.
install_man() {
  rm -rf build/man
  bin/coracle __man build/man
  install -d "$root$man"
  install -m 644 -t "$root$man" build/man/*
}

install_units() {
  local group=root
  getent group docker >/dev/null 2>&1 && group=docker
  getent group coracle >/dev/null 2>&1 && group=coracle
  install -d "$root$units"
  for unit in coracle.service coracle.socket; do
    sed "s|@PREFIX@|$prefix|g; s|@GROUP@|$group|g" "packaging/$unit" >"$root$units/$unit"
  done
}

case ${1:-} in
  install)
    install_engine
    install_completion
    install_man
    if has_systemd; then
      install_units
      echo "installed below $root$prefix; start it with: systemctl enable --now coracle.socket coracle.service"
    else
      echo "installed below $root$prefix; start it with: $prefix/bin/coracled"
    fi
    ;;
  uninstall)
    rm -f "$root$prefix/bin/coracle" "$root$prefix/bin/coracled" \
      "$root$units/coracle.service" "$root$units/coracle.socket" \
      "$root$bash_completion" "$root$zsh_completion" "$root$fish_completion"
    rm -f "$root$man"/coracle.1 "$root$man"/coracle-*.1
    rm -rf "$root$lib" "$root$doc"
    echo "removed below $root$prefix; /var/lib/coracle and /run/coracle are as they were"
    ;;
  *)
    echo "usage: install.sh install|uninstall" >&2
    exit 2
    ;;
esac
