// A person at a terminal: script(1) gives a program a pty of its own, a test types into it and
// waits for what appears. Nothing sleeps: every wait ends with the output that it waits for.
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify, stripVTControlCharacters } from 'node:util';

const SHOWN_MS_MAX = 30_000;
const END_MS_MAX = 20_000;
const SHOWN_CHARACTERS_MAX = 1024 * 1024;

export type Size = { readonly rows: number; readonly cols: number };

export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<number>;
  #shown = '';
  #path = '';

  private constructor(command: string, size: Size, env: NodeJS.ProcessEnv) {
    const line = `stty rows ${size.rows} cols ${size.cols}; tty; exec ${command}`;
    this.#child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: 'pipe' });
    this.#exit = once(this.#child, 'close').then(([code]) => (code as number | null) ?? 137);
    this.#child.stdin.on('error', () => {}); // what ran in it has ended, which exitCode() tells
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#shown = (this.#shown + chunk).slice(-SHOWN_CHARACTERS_MAX);
      });
    }
  }

  static async open(command: string, size: Size, env: NodeJS.ProcessEnv): Promise<Terminal> {
    const terminal = new Terminal(command, size, env);
    terminal.#path = (await terminal.until(/^\/dev\/pts\/\d+(?=\n)/m))[0];
    return terminal;
  }

  /** What was shown since the last keys, without colours and cursor movements. */
  get shown(): string {
    return stripVTControlCharacters(this.#shown).replaceAll('\r', '');
  }

  press(keys: string): void {
    this.#shown = '';
    this.#child.stdin.write(keys);
  }

  async until(wanted: RegExp): Promise<RegExpExecArray> {
    const signal = AbortSignal.timeout(SHOWN_MS_MAX);
    for (;;) {
      const found = wanted.exec(this.shown);
      if (found !== null) return found;
      if (this.#child.stdout.readableEnded || signal.aborted) {
        throw new Error(`wanted ${wanted}, but the terminal shows:\n${this.shown}`);
      }
      const stop = new AbortController();
      const any = { signal: AbortSignal.any([signal, stop.signal]) };
      const { stdout, stderr } = this.#child;
      await Promise.race(
        [once(stdout, 'data', any), once(stderr, 'data', any), once(stdout, 'end', any)].map(
          (event) => event.catch(() => {}), // the time limit: the next round tells it
        ),
      );
      stop.abort();
    }
  }

  /** Types a line at a shell's prompt; what it answers until the next prompt. */
  async ask(line: string, prompt: RegExp): Promise<string> {
    this.press(`${line}\r`);
    await this.until(new RegExp(`\\n${prompt.source}$`));
    // The first line is the echo of the typed one.
    return this.shown.split('\n').slice(1, -1).join('\n');
  }

  /** As a terminal emulator does when its window changes; the kernel sends SIGWINCH. */
  async resize({ rows, cols }: Size): Promise<void> {
    await promisify(execFile)('stty', ['-F', this.#path, 'rows', `${rows}`, 'cols', `${cols}`]);
  }

  exitCode(): Promise<number> {
    return this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS_MAX);
    this.#child.stdin.end();
    this.#child.kill('SIGHUP');
    await this.#exit;
    clearTimeout(timer);
  }
}
