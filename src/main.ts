// The entry of the program: the daemon, or the command line. Only the one that runs is loaded.
const [, , command, ...rest] = process.argv;

if (command === 'daemon') {
  const { main } = await import('#daemon/main.ts');
  process.exit(await main(rest));
} else {
  const { runCli } = await import('#cli/main.ts');
  process.exitCode = await runCli(process.argv.slice(2));
}
