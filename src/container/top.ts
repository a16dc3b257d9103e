// top: the processes of a container. Without arguments the table is made here; with arguments the
// host's ps makes it, as with Docker, and its lines are filtered by pid.
import { execFile } from 'node:child_process';
import { EngineError, messageOf } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import { onTask } from './pause.ts';
import { PS_TITLES, psRows } from './ps.ts';

const PS_OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const PS_TIMEOUT_MS = 10_000;

export type Top = {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
};

export async function top(deps: Deps, ref: string, psArgs: string): Promise<Top> {
  checkPsArgs(psArgs);
  const record = deps.store.get(ref);
  guard(record, 'top', ref);
  const pids = await onTask(deps, record.id, (task) => task.pids());
  const words = psArgs.split(' ').filter((word) => word !== '');
  const table =
    words.length === 0 || (words.length === 1 && words[0] === '-ef')
      ? { titles: PS_TITLES, processes: psRows(pids) }
      : parsePs(await runPs(words, pids), new Set(pids));
  publish(deps, record, 'top');
  return table;
}

/** "-o pid=ID" would hide which column to filter by. */
function checkPsArgs(text: string): void {
  for (const [, key = '', value = ''] of text.matchAll(/\s+([^\s]*)=\s*(PID[^\s]*)/g)) {
    if (key === 'pid') continue;
    throw new EngineError('invalid_argument', `specifying "${key}=${value}" is not allowed`);
  }
}

/** Arguments go to ps as they are, in an array: no shell reads them. */
async function runPs(args: readonly string[], pids: readonly number[]): Promise<string> {
  try {
    return await ps([...args, `-q${pids.join(',')}`]);
  } catch {
    // Some options of ps do not go together with -q: all processes, then.
    try {
      return await ps(args);
    } catch (error) {
      throw new EngineError('internal', `ps: ${messageOf(error)}`, { cause: error });
    }
  }
}

function ps(args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { maxBuffer: PS_OUTPUT_BYTES_MAX, timeout: PS_TIMEOUT_MS };
  execFile('ps', [...args], options, (error, stdout, stderr) => {
    if (error === null) return resolve(stdout);
    const [line = ''] = stderr.split('\n');
    reject(line === '' ? error : new Error(line, { cause: error }));
  });
  return promise;
}

/** The last column takes the rest of its line; "-" in PID is a thread of the line before. */
export function parsePs(output: string, pids: ReadonlySet<number>): Top {
  const [head = '', ...lines] = output.split('\n');
  const titles = head.split(/[ \t\f\r]+/).filter((word) => word !== '');
  const column = titles.indexOf('PID');
  if (column === -1) throw new EngineError('internal', "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let inside = false;
  for (const line of lines) {
    const words = line.split(/[ \t\f\r]+/).filter((word) => word !== '');
    const pid = words[column];
    if (pid === undefined) continue;
    if (pid !== '-') inside = pids.has(Number(pid));
    if (!inside) continue;
    const last = titles.length - 1;
    processes.push([...words.slice(0, last), words.slice(last).join(' ')]);
  }
  return { titles, processes };
}
