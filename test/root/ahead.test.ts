// A launch ahead of its start: nobody can tell that it is there, whatever is done instead of the
// start ends it, and nothing is left of one that was for nothing. Needs root and `make build`.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';
import { call, must as mustCall, until } from './engine-call.ts';

/** On a machine that has no time, what was launched ahead is undone before we can start it. */
const ATTEMPTS_MAX = 10;
const LAUNCH_MS_MAX = 400;
const directory = makeEngineDirectory();
let engine: PrivateEngine;

before(async () => {
  engine = await startEngine({ directory });
});

after(async () => {
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

const must = (method: string, path: string, json?: unknown): Promise<string> =>
  mustCall(engine.socket, method, path, json);

async function create(host: object = {}, more: object = {}, of = engine): Promise<string> {
  const body = {
    Image: 'busybox',
    Cmd: ['sleep', '100'],
    HostConfig: { AutoRemove: true, ...host },
  };
  const made = await mustCall(of.socket, 'POST', '/containers/create', { ...body, ...more });
  return (JSON.parse(made) as { Id: string }).Id;
}

type View = {
  readonly State: { readonly Status: string; readonly Pid: number };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { IPAddress: string }>> };
};

async function inspect(id: string): Promise<View> {
  return JSON.parse(await must('GET', `/containers/${id}/json`)) as View;
}

/** The processes of the container's cgroup: its init waits there for "go". */
function processes(id: string, { cgroupParent } = engine): readonly string[] {
  const v1 = processesIn(`/sys/fs/cgroup/pids${cgroupParent}/${id}`);
  return v1 ?? processesIn(`/sys/fs/cgroup${cgroupParent}/${id}`) ?? [];
}

function processesIn(cgroup: string): readonly string[] | undefined {
  if (!existsSync(cgroup)) return undefined;
  const text = execFileSync('cat', [join(cgroup, 'cgroup.procs')], { encoding: 'utf8' });
  return text.split('\n').filter((line) => line !== '');
}

async function launchedAhead(host: object = {}, more: object = {}, of = engine): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const id = await create(host, more, of);
    const deadline = performance.now() + LAUNCH_MS_MAX;
    while (performance.now() < deadline) {
      if (processes(id, of).length === 1) return id;
      await sleep(1);
    }
    await mustCall(of.socket, 'DELETE', `/containers/${id}`);
  }
  throw new Error('nothing was launched ahead');
}

const remains = (id: string): readonly string[] => [
  ...cgroupsOf(directory).filter((path) => path.includes(id)),
  ...['run/c', 'run/net']
    .map((place) => join(directory, place, id.slice(0, 32)))
    .filter(existsSync),
];

async function nothingLeft(id: string): Promise<void> {
  await until(
    () => `left: ${remains(id).join(' ')}`,
    () => remains(id).length === 0,
  );
}

/** The network namespace that is the engine's host. */
const hostLinks = (): string =>
  execFileSync('nsenter', [`--net=${engine.namespace}`, 'ip', '-br', 'link'], { encoding: 'utf8' });

/** The host's end of a container's link. */
const VETH = /^cv[0-9a-f]/m;

/** The kernel takes the links of a namespace away a moment after it (network_namespaces(7)). */
const noVeth = (): Promise<void> => until(hostLinks, () => !VETH.test(hostLinks()));

/** Answers the process that was made ahead, and the one that was started. */
async function startUnseen(NetworkMode: string): Promise<readonly [string, number]> {
  const since = Math.floor(Date.now() / 1000);
  const id = await launchedAhead({ NetworkMode });
  const [pid = ''] = processes(id);
  const view = await inspect(id);
  assert.deepEqual([view.State.Status, view.State.Pid], ['created', 0]);
  assert.equal(view.NetworkSettings.Networks[NetworkMode]?.IPAddress, '');
  const network = JSON.parse(await must('GET', `/networks/${NetworkMode}`)) as {
    readonly Containers: object;
  };
  assert.deepEqual(network.Containers, {});
  await must('POST', `/containers/${id}/start`);
  const started = (await inspect(id)).State.Pid;
  const until = Math.floor(Date.now() / 1000) + 1;
  const told = await must('GET', `/events?since=${since}&until=${until}`);
  const mine = new RegExp(`"Action":"([a-z]+)"[^\n]*${id}`, 'g');
  const actions = [...told.matchAll(mine)].map(([, what]) => what ?? '');
  assert.deepEqual(actions, ['create', 'connect', 'start']);
  await must('DELETE', `/containers/${id}?force=1`);
  await nothingLeft(id);
  return [pid, started];
}

for (const NetworkMode of ['none', 'bridge']) {
  test(`what is launched ahead on ${NetworkMode} cannot be seen, and starts in place`, async () => {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const [ahead, started] = await startUnseen(NetworkMode);
      if (ahead === String(started)) return;
    }
    assert.fail('each start made another process');
  });
}

const OTHERS: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
  remove: (id) => must('DELETE', `/containers/${id}`),
  'remove by force': (id) => must('DELETE', `/containers/${id}?force=1`),
  rename: (id) => must('POST', `/containers/${id}/rename?name=other-${id.slice(0, 8)}`),
  update: (id) => must('POST', `/containers/${id}/update`, { PidsLimit: 77 }),
  kill: (id) => call(engine.socket, 'POST', `/containers/${id}/kill`),
  pause: (id) => call(engine.socket, 'POST', `/containers/${id}/pause`),
  'network disconnect': (id) =>
    must('POST', '/networks/bridge/disconnect', { Container: id, Force: false }),
  'a copy out of it': (id) => must('GET', `/containers/${id}/archive?path=/bin/cat`),
  prune: () => must('POST', '/containers/prune'),
};

for (const [verb, act] of Object.entries(OTHERS)) {
  test(`${verb} ends a launch ahead before it does anything`, async () => {
    const id = await launchedAhead();
    await act(id);
    assert.deepEqual(processes(id), []);
    const { status } = await call(engine.socket, 'GET', `/containers/${id}/json`);
    if (status === 200) {
      await must('POST', `/containers/${id}/start`);
      assert.equal((await inspect(id)).State.Status, 'running');
      await must('DELETE', `/containers/${id}?force=1`);
    }
    await nothingLeft(id);
  });
}

test('a launch ahead without a start is undone, and the container can start later', async () => {
  const id = await launchedAhead({ NetworkMode: 'bridge' });
  assert.match(hostLinks(), VETH);
  await nothingLeft(id);
  await noVeth();
  await must('POST', `/containers/${id}/start`);
  assert.equal((await inspect(id)).State.Status, 'running');
  await must('DELETE', `/containers/${id}?force=1`);
  await nothingLeft(id);
});

test('what others may change before the start is not launched ahead', async () => {
  const other = await create({ AutoRemove: false });
  await must('POST', `/containers/${other}/start`);
  const hosts: readonly object[] = [
    { AutoRemove: false },
    { Binds: ['/etc/hostname:/h:ro'] },
    { NetworkMode: `container:${other}` },
    { PidMode: `container:${other}` },
    { PortBindings: { '80/tcp': [{ HostPort: '20080' }] } },
    { Privileged: true },
    { Links: [`${other}:db`] },
    { CgroupParent: `${engine.cgroupParent}/deeper` },
  ];
  for (const host of hosts) {
    const id = await create(host);
    await sleep(30);
    assert.deepEqual(processes(id), [], JSON.stringify(host));
    await must('DELETE', `/containers/${id}?force=1`);
  }
  await must('DELETE', `/containers/${other}?force=1`);
});

test('a daemon that goes, by SIGTERM or by SIGKILL, leaves nothing of a launch ahead', async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const id = await launchedAhead();
    await engine.kill(signal);
    engine = await startEngine({ directory });
    assert.equal((await inspect(id)).State.Status, 'created');
    await nothingLeft(id);
    // Its top was mounted as volatile once, which overlayfs refuses to mount again.
    await must('POST', `/containers/${id}/start`);
    assert.equal((await inspect(id)).State.Status, 'running');
    await must('DELETE', `/containers/${id}?force=1`);
    await nothingLeft(id);
  }
});

test('a client that attaches and goes before the start does not hold the container up', async () => {
  const Cmd = ['sh', '-c', 'head -c 8000000 /dev/zero | tr "\\0" x'];
  const id = await launchedAhead({}, { Cmd });
  const path = `/containers/${id}/attach/ws?stream=1&stdout=1&stderr=1`;
  const client = new WebSocket(`ws+unix:${engine.socket}:${path}`);
  await once(client, 'open');
  client.close();
  await once(client, 'close');
  await must('POST', `/containers/${id}/start`);
  await nothingLeft(id);
});

test('docker run --rm tells what it always told when there is nothing to run', () => {
  const run = (...argv: string[]) => {
    const all = ['run', '--rm', '--network', 'none', ...argv];
    const { status, stderr } = spawnSync('docker', all, { env: engine.env, encoding: 'utf8' });
    return `${status} ${stderr}`;
  };
  assert.match(run('busybox', 'nothere'), /^127 [\s\S]*"nothere": executable file not found/);
  assert.match(
    run('busybox', '/etc'),
    /^126 [\s\S]*\/etc[\s\S]*(permission denied|is a directory)/,
  );
  assert.match(run('-u', 'nobody-here', 'busybox', 'true'), /^125 [\s\S]*unable to find user/);
  assert.match(run('busybox', 'sh', '-c', 'exit 7'), /^7 $/);
});

test('an address that only a launch ahead holds goes to whoever asks for a start', async () => {
  await using small = await startEngine({ flags: ['--bip', '10.231.7.1/30'] });
  const started = await create({ AutoRemove: false }, {}, small);
  const ahead = await launchedAhead({}, {}, small);
  const { status, body: text } = await call(small.socket, 'POST', `/containers/${started}/start`);
  assert.equal(status, 204, text);
  for (const id of [ahead, started])
    await call(small.socket, 'DELETE', `/containers/${id}?force=1`);
});
