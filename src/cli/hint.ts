// The next command after an error, for people: it is shown where standard error is a terminal, so
// that what a script reads is docker's text alone.
import { ClientError } from '#client/error.ts';
import { PROGRAM } from './help.ts';

type Advice = readonly [
  pattern: RegExp,
  /** `verb` is what was typed. */
  next: (part: string, verb: string) => string,
];

/** What the engine and the client say, and what helps. */
const ADVICE: readonly Advice[] = [
  [/No such container/i, () => 'ps -a'],
  [/No such object/i, () => 'ps -a'],
  [
    /No such image: ([^\s]+)/i,
    (name, verb) => (verb === 'run' || verb === 'create' ? `pull ${name}` : 'images'),
  ],
  [/network (\S+) not found/i, () => 'network ls'],
  [/No such network/i, () => 'network ls'],
  [/(?:get (\S+): )?no such volume/i, () => 'volume ls'],
  [/No such exec/i, () => 'ps'],
  [/name "?\/?([^"\s]+)"? is already in use/i, (name) => `rm ${name}`],
  [/container (?:name )?"?\/?(\S+?)"?:? is (?:not running|stopped)/i, () => 'ps -a'],
  [/port is already allocated|address already in use/i, () => 'ps --filter status=running'],
  [/unauthorized|authentication required|denied: requested access/i, () => 'login'],
  [/no space left on device/i, () => 'system df'],
  [/No such slice/i, () => 'slice ls'],
  [/context not found|context "\S+" does not exist/, () => 'context ls'],
];

/** Prints it for a person; of several errors for the first that has one. */
export function showNext(errors: readonly unknown[], typed: readonly string[]): void {
  if (process.stderr.isTTY !== true) return;
  const next = errors.map((error) => nextCommand(error, typed)).find((each) => each !== undefined);
  if (next !== undefined) process.stderr.write(`${next}\n`);
}

/** Undefined where the error says by itself what to do. */
export function nextCommand(error: unknown, typed: readonly string[]): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof ClientError && error.facts['unreachable'] === true) {
    return `Start one with '${PROGRAM} daemon', or name another with -H or --context.`;
  }
  for (const [pattern, next] of ADVICE) {
    const match = pattern.exec(error.message);
    if (match === null) continue;
    const command = next(match[1] ?? '', typed.find((word) => !word.startsWith('-')) ?? '');
    // Whoever has just typed it does not need to hear of it.
    if (typed.join(' ').startsWith(command)) return undefined;
    return `Try '${PROGRAM} ${command}'.`;
  }
  return nextCommand(error.cause, typed);
}
