// iperf3 in network namespaces: servers that listen, and what a client of them measures.
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { field } from '../../tools/api.ts';

const READY_MS_MAX = 10_000;
const READY_POLL_MS = 20;
export const IPERF_PORT = 5201;

/** Why it cannot be used here; false when it can. */
export function lacksIperf(): string | false {
  return spawnSync('iperf3', ['--version']).status === 0 ? false : 'needs iperf3 (Debian: iperf3)';
}

export class IperfServers implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];

  /** Resolves when a server listens in the network namespace at this path. */
  async listen(namespace: string): Promise<void> {
    const enter = [`--net=${namespace}`];
    const argv = [...enter, 'iperf3', '-s', '-p', String(IPERF_PORT)];
    this.#children.push(spawn('nsenter', argv, { stdio: 'ignore' }));
    const filter = ['ss', '-Hltn', `sport = :${IPERF_PORT}`];
    const deadline = performance.now() + READY_MS_MAX;
    while (execFileSync('nsenter', [...enter, ...filter]).length === 0) {
      if (performance.now() > deadline) throw new Error(`iperf3 does not listen in ${namespace}`);
      await sleep(READY_POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
}

/** Bits a second that arrive from a client in this namespace, or at it with `-R`. */
export async function measureRate(
  namespace: string,
  server: string,
  options: readonly string[],
): Promise<number> {
  const argv = ['iperf3', '-c', server, '-p', String(IPERF_PORT), '-J', ...options];
  const { stdout } = await promisify(execFile)('nsenter', [`--net=${namespace}`, ...argv]);
  return Number(field(JSON.parse(stdout), 'end.sum_received.bits_per_second'));
}
