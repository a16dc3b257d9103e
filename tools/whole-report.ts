// Loaded into each process of tests: --test-force-exit ends it while its last reports may still
// wait in the pipe to tools/test.ts, and a file with many tests was counted with fewer than it has.
// A pipe that blocks has passed on all that was written before. Node has no public call for it.
type Handle = { setBlocking?: (on: boolean) => number };

const { _handle: handle } = process.stdout as typeof process.stdout & { _handle?: Handle };
handle?.setBlocking?.(true);

// Tests have types stripped and code compiled once for all their processes. The engines and the
// commands that they start come up as they do for everybody.
delete process.env['NODE_COMPILE_CACHE'];
