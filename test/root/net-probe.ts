// A program in a network namespace that answers on some ports with its name and whom it saw, and
// asks others on command (test/fixture/net-probe.py).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROBE = join(import.meta.dirname, '../fixture/net-probe.py');
const READY_MS_MAX = 20_000;
/** A dropped packet is silence, which is waited for only where nothing else is expected. */
const SILENCE_SECONDS = 1.2;
const ANSWER_SECONDS_MAX = 15;

export type Where = {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly ip: string;
  readonly port: number;
};

export class Probe implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (result: string) => void>();
  #next = 0;
  readonly ready: Promise<string>;
  /** In the network namespace at this path. */
  constructor(namespace: string, name: string, ports: readonly number[] = []) {
    const argv = [`--net=${namespace}`, '/usr/bin/python3', PROBE, name, ...ports.map(String)];
    this.#child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ready = new Promise((resolve, reject) => {
      this.#waiting.set(-1, resolve);
      this.#child.once('exit', () => reject(new Error(`the probe of ${name} ended`)));
      setTimeout(() => reject(new Error(`no probe in ${name}`)), READY_MS_MAX).unref();
    });
    this.ready.catch(() => undefined);
    if (this.#child.stdout === null) throw new Error('no stdout');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, result }: { id: number; result: string } = JSON.parse(line);
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
  }

  /** A busy machine answers late: only who wants "none" does not wait long for it. */
  ask(where: Where, wanted = 'an answer'): Promise<string> {
    const id = this.#next;
    this.#next += 1;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#waiting.set(id, resolve);
    const seconds = wanted === 'none' ? SILENCE_SECONDS : ANSWER_SECONDS_MAX;
    this.#child.stdin?.write(`${JSON.stringify({ id, seconds, ...where })}\n`);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
