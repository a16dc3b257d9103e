// Attach over a web socket, by the client that Node's world uses, of us and of a real dockerd.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type Dockerd, startDockerd } from '../../bench/dockerd.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, runProgram, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const WAIT_MS_MAX = 10_000;
const POLL_MS = 20;

let scratch: string;
let daemon: Daemon;
let dockerd: Dockerd | undefined;

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('ws-');
  [daemon, dockerd] = await Promise.all([
    startDaemon(),
    startDockerd(
      { directory: join(scratch, 'dockerd'), execRoot: join(scratch, 'exec') },
      join(ROOT, 'dist/busybox.tar'),
    ),
  ]);
});
after(async () => {
  if (skip !== false) return;
  await dockerd?.[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

type Side = { readonly name: string; readonly socket: string };

function sides(): readonly Side[] {
  const ours = { name: 'coracle', socket: daemon.engine.socket };
  return dockerd === undefined ? [ours] : [ours, { name: 'dockerd', socket: dockerd.socket }];
}

async function docker(side: Side, ...argv: readonly string[]): Promise<string> {
  const host = `unix://${side.socket}`;
  const { code, stderr, stdout } = await runProgram(
    ['docker', '-H', host, ...argv],
    process.env,
    {},
  );
  assert.equal(code, 0, `${side.name}: ${stderr}`);
  return stdout;
}

type Talk = {
  readonly socket: WebSocket;
  /** Resolves when everything that came holds the text. */
  until(text: string): Promise<void>;
  received(): string;
  readonly kinds: Set<string>;
};

/** Opens it; a refusal rejects with the status. */
async function talk(side: Side, container: string, query: string, version = '1.41'): Promise<Talk> {
  const path = `/v${version}/containers/${container}/attach/ws?${query}`;
  const socket = new WebSocket(`ws+unix:${side.socket}:${path}`);
  let all = '';
  const kinds = new Set<string>();
  socket.on('message', (data: Buffer, isBinary) => {
    all += data.toString();
    kinds.add(isBinary ? 'binary' : 'text');
  });
  const refused = once(socket, 'unexpected-response').then(([, response]) => {
    throw new Error(`status ${(response as { statusCode: number }).statusCode}`);
  });
  await Promise.race([once(socket, 'open'), refused]);
  const signal = AbortSignal.timeout(WAIT_MS_MAX);
  return {
    socket,
    kinds,
    received: () => all,
    until: async (text) => {
      while (!all.includes(text)) await once(socket, 'message', { signal });
    },
  };
}

const STREAMS = 'stream=1&stdin=1&stdout=1&stderr=1';

test('a page types to a program and reads both of its streams, without frames', {
  skip,
}, async () => {
  for (const side of sides()) {
    const script = 'while read line; do echo "out $line"; echo "err $line" >&2; done; exit 5';
    await docker(
      side,
      'run',
      '-di',
      '--name',
      'talk',
      '--net',
      'none',
      'busybox',
      'sh',
      '-c',
      script,
    );
    const { kinds, received, socket, until } = await talk(side, 'talk', STREAMS);
    socket.send('one\n');
    await until('out one\n');
    await until('err one\n');
    socket.send(Buffer.from('two\n'));
    await until('out two\n');
    await until('err two\n');
    assert.deepEqual(
      received().split('\n').toSorted(),
      ['', 'err one', 'err two', 'out one', 'out two'],
      side.name,
    );
    assert.deepEqual([...kinds], ['binary'], side.name);
    const closed = once(socket, 'close');
    await docker(side, 'kill', 'talk');
    await closed;
    await docker(side, 'rm', 'talk');
  }
});

test('a terminal is shown, and what it wrote before is there with logs', { skip }, async () => {
  for (const side of sides()) {
    const script = 'echo before; read x; echo "got $x"';
    const shape = ['-dit', '--name', 'term', '--net', 'none'];
    await docker(side, 'run', ...shape, 'busybox', 'sh', '-c', script);
    // dockerd reads the log first and attaches then: what is written in between is lost to both.
    while (!(await docker(side, 'logs', 'term')).includes('before')) await sleep(POLL_MS);
    const { socket, until } = await talk(side, 'term', `logs=1&${STREAMS}`);
    await until('before\r\n');
    const closed = once(socket, 'close');
    socket.send('it\n');
    await until('got it\r\n');
    await closed;
    await docker(side, 'rm', '-f', 'term');
  }
});

test('below 1.28 messages are text', { skip }, async () => {
  for (const side of sides()) {
    const run = ['run', '-di', '--name', 'old', '--net', 'none', 'busybox', 'cat'];
    await docker(side, ...run);
    const { kinds, socket, until } = await talk(side, 'old', STREAMS, '1.27');
    socket.send('grüße\n');
    await until('grüße\n');
    assert.deepEqual([...kinds], ['text'], side.name);
    socket.close();
    await docker(side, 'rm', '-f', 'old');
  }
});

test('who attaches before the start misses nothing; who leaves does not end the container', {
  skip,
}, async () => {
  for (const side of sides()) {
    const script = 'echo first; read x; sleep 100';
    const shape = ['create', '-i', '--name', 'early', '--net', 'none'];
    await docker(side, ...shape, 'busybox', 'sh', '-c', script);
    const { socket, until } = await talk(side, 'early', 'stream=1&stdout=1');
    await docker(side, 'start', 'early');
    await until('first\n');
    // Without stdin dockerd does not read, so not even the closing message.
    const closed = once(socket, 'close');
    socket.terminate();
    await closed;
    const state = await docker(side, 'inspect', '-f', '{{.State.Running}}', 'early');
    assert.equal(state, 'true\n', side.name);
    await docker(side, 'rm', '-f', 'early');
  }
});

test('what cannot be attached is refused by status, and a message too large ends it', {
  skip,
}, async () => {
  for (const side of sides()) {
    await assert.rejects(talk(side, 'nobody', STREAMS), /status 404/, side.name);
  }
  const plain = await daemon.api('GET', '/containers/nobody/attach/ws');
  assert.deepEqual(plain, { status: 400, json: { message: 'not websocket protocol' } });
  await daemon.ok('run', '-di', '--name', 'full', '--net', 'none', 'busybox', 'cat');
  const { socket } = await talk({ name: 'ours', socket: daemon.engine.socket }, 'full', STREAMS);
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.send(Buffer.alloc(1024 * 1024 + 1));
  const [code] = (await closed) as [number];
  assert.equal(code, 1009);
  assert.equal((await daemon.api('GET', '/containers/full/json')).status, 200);
});
