// The entry of the program: the daemon, or the command line. Only the one that runs is loaded.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Compiled once, and kept beside the bundle by whoever may write there: a command starts in 42 ms
// instead of 49, the daemon in 190 instead of 217. Others go on without.
enableCompileCache(join(import.meta.dirname, '../dist/compile-cache'));

const [, , command, ...rest] = process.argv;

if (command === 'daemon') {
  const { main } = await import('#daemon/main.ts');
  process.exit(await main(rest));
} else {
  const { runCli } = await import('#cli/main.ts');
  process.exitCode = await runCli(process.argv.slice(2));
}
