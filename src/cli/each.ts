// One action on each named object: done side by side, reported in the order of the arguments.
import { EngineError, messageOf } from '#base/error.ts';
import { isDaemonError } from '#client/client.ts';
import { showNext } from './hint.ts';

/** Docker's CLI uses the same number. */
export const PARALLEL_MAX = 50;

/** Prints each name that worked and each error; the exit code is 1 if one failed. */
export async function forEach(
  names: readonly string[],
  action: (name: string, path: string) => Promise<string | undefined>,
): Promise<number> {
  const errors: unknown[] = [];
  for (let from = 0; from < names.length; from += PARALLEL_MAX) {
    const batch = names.slice(from, from + PARALLEL_MAX);
    const running = batch.map(async (name) => action(name, containerPath(name)));
    for (const each of running) each.catch(() => {});
    for (const each of running) {
      try {
        const line = await each;
        if (line !== undefined) process.stdout.write(`${line}\n`);
      } catch (error) {
        errors.push(error);
        process.stderr.write(`${errorText(error)}\n`);
      }
    }
  }
  if (errors.length === 0) return 0;
  showNext(errors, process.argv.slice(2));
  return 1;
}

export function containerPath(name: string): string {
  return `/containers/${segment('container', name)}`;
}

export function networkPath(name: string): string {
  return `/networks/${segment('network', name)}`;
}

/** Without a name the path would be another one: a list, or everything. */
function segment(kind: string, name: string): string {
  if (name.trim() !== '') return encodeURIComponent(name);
  throw new EngineError('invalid_argument', `invalid ${kind} name or ID: value is empty`);
}

/** An image name keeps its slashes. */
export function imagePath(name: string): string {
  return `/images/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/** So does the path of a slice. */
export function slicePath(path: string): string {
  return `/coracle/slices/${path.split('/').map(encodeURIComponent).join('/')}`;
}

export function errorText(error: unknown): string {
  return `${isDaemonError(error) ? 'Error response from daemon: ' : ''}${messageOf(error)}`;
}
