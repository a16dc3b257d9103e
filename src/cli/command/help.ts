// help: the same text as --help.
import { CliError, type CommandSpec, type Context } from '../command.ts';
import { helpText, PROGRAM } from '../help.ts';
import { GLOBAL_FLAGS, ROOT } from '../table/root.ts';

export async function run({ args }: Context): Promise<number> {
  let spec: CommandSpec = ROOT;
  for (const word of args) {
    const next = spec.children?.find(
      ({ name, aliases }) => name === word || aliases?.includes(word) === true,
    );
    if (next === undefined) throw new CliError(1, `unknown help topic: ${args.join(' ')}`);
    spec = next;
  }
  process.stdout.write(helpText(spec, [PROGRAM, ...args].join(' '), GLOBAL_FLAGS));
  return 0;
}
