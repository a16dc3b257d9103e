// The daemon is killed with SIGKILL while containers with ports, bandwidth limits and networks of
// their own come and go: the next one keeps what runs, and takes away what nobody has.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, field } from '../../tools/api.ts';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { inside } from './engine-host.ts';
import { Probe } from './net-probe.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const ROUNDS = 6;
const WORKERS = 4;
const GONE_MS_MAX = 10_000;
const POLL_MS = 50;
const NET = 'crash';
const directory = skip === false ? makeEngineDirectory() : '';
let engine: PrivateEngine | undefined;

async function startHere(): Promise<PrivateEngine> {
  engine = await startEngine({ directory });
  return engine;
}

after(async () => {
  if (skip !== false) return;
  await engine?.kill('SIGKILL');
  const last = await startHere();
  await removeAll(last);
  await last.kill('SIGTERM');
  removeEngineDirectory(directory);
});

async function removeAll({ socket }: PrivateEngine): Promise<void> {
  using api = new Api(socket, WORKERS);
  const all = JSON.parse(await api.must('GET', '/containers/json?all=1')) as { Id: string }[];
  await Promise.all(all.map(({ Id }) => api.send('DELETE', `/containers/${Id}?force=1&v=1`)));
}

const published = (port: number) => ({
  '80/tcp': [{ HostIp: '', HostPort: String(port) }],
  '53/udp': [{ HostIp: '127.0.0.1', HostPort: String(port) }],
});

async function run(api: Api, port: number, command: readonly string[], network: string) {
  const id = await api.create({
    Image: 'busybox',
    Cmd: command,
    HostConfig: {
      NetworkMode: network,
      PortBindings: published(port),
      NetRate: { In: { BitsPerSecond: 1e9 }, Out: { BitsPerSecond: 1e9 } },
    },
  });
  await api.must('POST', `/containers/${id}/start`);
  return id;
}

/** Until the daemon is gone. */
async function churn({ socket }: PrivateEngine, worker: number): Promise<void> {
  using api = new Api(socket, 1);
  const network = worker % 2 === 0 ? 'bridge' : NET;
  for (let port = 21_000 + worker * 100; ; port = 21_000 + worker * 100 + ((port + 1) % 100)) {
    const id = await run(api, port, worker < 2 ? ['true'] : ['sleep', '600'], network);
    await api.send('POST', `/coracle/containers/${id}/ports`, { Remove: published(port) });
    await api.must('DELETE', `/containers/${id}?force=1`);
  }
}

/** Of the host: links and rules with what they hold. */
function remains(namespace: string): readonly string[] {
  const links = inside(namespace, ['ip', '-o', 'link']).matchAll(/^\d+: (c[vi][0-9a-f]{12})/gm);
  const rules = inside(namespace, ['nft', 'list', 'ruleset']).matchAll(/\b2[12]\d{3}\b/g);
  const mounts = readFileSync('/proc/mounts', 'utf8').matchAll(/\S+\/run\/net\/\S+/g);
  const ours = [...mounts].map(([path]) => path).filter((path) => path.startsWith(directory));
  const files = readdirSync(join(directory, 'run/net'));
  return [...links, ...rules].map(([text]) => text).concat(ours, files);
}

test(`killed ${ROUNDS} times, it keeps the ports of what runs and leaves nothing of the rest`, {
  skip,
}, async () => {
  let current = await startHere();
  const { namespace } = current;
  {
    using api = new Api(current.socket, 1);
    await api.must('POST', '/networks/create', { Name: NET, EnableIPv6: true });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    using api = new Api(current.socket, 1);
    const id = await run(api, 22_000 + round, ['sleep', '600'], NET);
    const json: unknown = JSON.parse(await api.must('GET', `/containers/${id}/json`));
    assert.ok(remains(namespace).length > 4); // its pair, ifb, ports, namespace and record
    const container = `/proc/${String(field(json, 'State.Pid'))}/ns/net`;
    const work = Promise.allSettled(
      Array.from({ length: WORKERS }, (_, worker) => churn(current, worker)),
    );
    await sleep(30 + Math.random() * 300);
    await current.kill('SIGKILL');
    await work;
    current = await startHere();
    {
      await using web = new Probe(container, 'web', [80]);
      await using host = new Probe(namespace, 'host');
      await Promise.all([web.ready, host.ready]);
      const where = { protocol: 'tcp', ip: '127.0.0.1', port: 22_000 + round } as const;
      assert.match(await host.ask(where), /^web /);
    }
    await removeAll(current);
    const deadline = performance.now() + GONE_MS_MAX;
    while (remains(namespace).length > 0 && performance.now() < deadline) await sleep(POLL_MS);
    assert.deepEqual(remains(namespace), []);
  }
  using api = new Api(current.socket, 1);
  await api.must('DELETE', `/networks/${NET}`);
});
