// The C library's resolver inside a network namespace, with a resolv.conf of its own: a program
// there resolves names on command (test/fixture/resolve.py).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = join(import.meta.dirname, '../fixture/resolve.py');
const LIFE_MS_MAX = 60_000;
const MOUNT_AND_ENTER =
  'mount --bind "$1" /etc/resolv.conf && exec nsenter --net="$2" python3 "$3"';

/** What the program says when nobody knows the name, or can be asked. */
export const NO_ANSWER = 'error Temporary failure in name resolution';

/** Why it cannot run here; false when it can. */
export function lacksResolver(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  return spawnSync('python3', ['--version']).status === 0 ? false : 'needs python3';
}

export class Resolver {
  readonly #child: ChildProcess;
  readonly #answers: ((line: string) => void)[] = [];
  readonly #ready: Promise<string>;

  /** `resolvConf` may be written anew later; the C library looks at each question. */
  constructor(namespace: string, resolvConf: string) {
    this.#child = spawn(
      'unshare',
      ['--mount', 'sh', '-c', MOUNT_AND_ENTER, 'sh', resolvConf, namespace, PROGRAM],
      { stdio: ['pipe', 'pipe', 'inherit'], timeout: LIFE_MS_MAX },
    );
    const out = this.#child.stdout;
    if (out === null) throw new Error('no stdout');
    createInterface({ input: out }).on('line', (line) => this.#answers.shift()?.(line));
    this.#ready = this.#next();
  }

  #next(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#answers.push(resolve);
    return promise;
  }

  /** "host NAME", "addr IP" or "every SECONDS NAME". */
  async ask(command: string): Promise<readonly (string | number)[]> {
    await this.#ready;
    this.#child.stdin?.write(`${command}\n`);
    return JSON.parse(await this.#next());
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }
}
