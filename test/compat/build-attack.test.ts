// Hostile contexts, Dockerfiles and requests: refused or contained, and nothing outside is touched.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { buildCase, contextArchive, type Outcome, post } from '../fixture/build-client.ts';
import type { BuildCase } from './build-corpus/case.ts';

const skip = cannotRun();
let daemon: Daemon;
const outside = mkdtempSync(join(tmpdir(), 'coracle-test-outside-'));
const canary = join(outside, 'canary');

before(async () => {
  writeFileSync(canary, 'untouched');
  if (skip !== false) return;
  daemon = await startDaemon();
});
after(async () => {
  try {
    assert.equal(readFileSync(canary, 'utf8'), 'untouched');
    await daemon?.[Symbol.asyncDispose]();
  } finally {
    rmSync(outside, { recursive: true, force: true });
  }
});

let count = 0;
function attack(dockerfile: string, more: Partial<BuildCase> = {}): Promise<Outcome> {
  count += 1;
  return buildCase(daemon.engine.socket, { name: '', dockerfile, ...more }, `attack:${count}`);
}

async function postItems(items: readonly EncodeItem[]): Promise<string> {
  const { body } = await post(daemon.engine.socket, '/build?networkmode=none', encodeTar(items));
  return body;
}

const up = '../'.repeat(12);
const DOCKERFILE = Buffer.from('FROM busybox\nCOPY . /x/\nRUN find /x | sort\n');
const dockerfile: EncodeItem = {
  kind: 'file',
  path: 'Dockerfile',
  mode: 0o644,
  size: DOCKERFILE.length,
  body: DOCKERFILE,
};

test('names in a context that climb out are refused', { skip }, async () => {
  const body = Buffer.from('evil');
  for (const path of [`${up}${canary}`, `a/../../${canary}`]) {
    const answer = await postItems([
      dockerfile,
      { kind: 'file', path, mode: 0o644, size: body.length, body },
    ]);
    assert.match(answer, /leads outside/, path);
  }
});

test('links of a context lead nowhere but into it', { skip }, async () => {
  const context = {
    l: { kind: 'symlink', link: outside },
    up: { kind: 'symlink', link: `${up}${canary}` },
    'l/canary': 'evil',
    loop: { kind: 'symlink', link: 'loop' },
  } as const;
  for (const source of ['l/nothing', 'up', 'loop']) {
    const { error } = await attack(`FROM busybox\nCOPY ${source} /x\n`, { context });
    assert.match(error ?? '', /file not found in build context/, source);
  }
  const ignored = { ...context, '.dockerignore': { kind: 'symlink', link: canary } } as const;
  assert.equal(
    (await attack('FROM busybox\nCOPY l/canary /x', { context: ignored })).error,
    undefined,
  );
  const linked = { Dockerfile: { kind: 'symlink', link: '/etc/passwd' } } as const;
  const { body } = await post(daemon.engine.socket, '/build', contextArchive(linked));
  assert.match(body, /Cannot locate specified Dockerfile/);
});

test('hard links to a directory, to nothing and to what is outside are refused', {
  skip,
}, async () => {
  const directory: EncodeItem = { kind: 'dir', path: 'd', mode: 0o755 };
  for (const linkPath of ['d', 'nothing', canary, `${up}${canary}`]) {
    const link: EncodeItem = { kind: 'link', path: 'd/x', linkPath, mode: 0o644 };
    assert.match(
      await postItems([dockerfile, directory, link]),
      /the build context is broken/,
      linkPath,
    );
  }
});

test('a path without end, a file without end and a lie about a size are refused', {
  skip,
}, async () => {
  const deep: EncodeItem = { kind: 'dir', path: 'd/'.repeat(100_000), mode: 0o755 };
  assert.match(await postItems([dockerfile, deep]), /too long|too large|PAX/i);
  const cut = Buffer.concat(await Array.fromAsync(encodeTar([dockerfile])));
  const { body } = await post(
    daemon.engine.socket,
    '/build',
    Readable.from([cut.subarray(0, 600)]),
  );
  assert.match(body, /invalid tar archive/);
  const noise = await post(
    daemon.engine.socket,
    '/build',
    Readable.from([Buffer.alloc(4096, 0x41)]),
  );
  assert.match(noise.body, /invalid tar|corrupt|message/);
});

test('links of an image do not lead COPY, ADD, WORKDIR or a mount out of it', {
  skip,
}, async () => {
  const link = `RUN rm -rf /tmp && ln -s ${up}${outside} /tmp && ln -s ${canary} /ln`;
  const context = { a: 'evil', 'd/canary': 'evil' };
  const lines = [
    ...['COPY a /tmp/canary', 'COPY d /tmp/', 'COPY a /ln', 'WORKDIR /tmp/new'],
    ...['RUN --mount=type=cache,target=/tmp/canary true', 'RUN --mount=source=a,target=/ln true'],
    'RUN --mount=type=tmpfs,target=/tmp/sub touch /tmp/sub/canary',
  ];
  for (const line of lines) {
    const { error } = await attack(`FROM busybox\n${link}\n${line}\n`, { context });
    assert.doesNotMatch(error ?? '', /internal|ENOTDIR/, line);
    assert.equal(readFileSync(canary, 'utf8'), 'untouched', line);
    assert.ok(!existsSync(join(outside, 'new')) && !existsSync(join(outside, 'sub')), line);
  }
});

test('COPY --from reads what its stage has, not what its links name', { skip }, async () => {
  const stage = `FROM busybox AS s\nRUN ln -s ${canary} /ln && ln -s ${up}${outside} /d && ln -s / /root-link\n`;
  for (const source of [
    '/ln',
    '/d/canary',
    '/d',
    `${up}${canary}`,
    '/root-link/../../..${canary}',
  ]) {
    const { error, image } = await attack(`${stage}FROM busybox\nCOPY --from=s ${source} /x\n`);
    const files = image?.files.join('\n') ?? '';
    assert.match(error ?? 'file does not exist', /file does not exist/, source);
    assert.doesNotMatch(files, /untouched/, source);
  }
});

test('archives that ADD unpacks stay in the image', { skip }, async () => {
  const body = Buffer.from('evil');
  const file = { kind: 'file', mode: 0o644, size: body.length, body } as const;
  const archive = Buffer.concat(
    await Array.fromAsync(
      encodeTar([
        { ...file, path: `${up}${canary}` },
        { kind: 'symlink', path: 'l', linkPath: outside, mode: 0o777 },
        { ...file, path: 'l/canary' },
        { kind: 'link', path: 'h', linkPath: canary, mode: 0o644 },
      ]),
    ),
  );
  const { error } = await attack('FROM busybox\nADD evil.tar /x/\n', {
    context: { 'evil.tar': { text: archive } },
  });
  assert.doesNotMatch(error ?? '', /internal/);
  assert.equal(readFileSync(canary, 'utf8'), 'untouched');
  assert.deepEqual(await onHost(), ['canary']);
});

test('marks of an overlay in a context are no marks in a layer', { skip }, async () => {
  const context = {
    'd/': {
      kind: 'dir',
      xattrs: { 'trusted.overlay.opaque': 'y', 'trusted.overlay.redirect': '/etc' },
    },
    'd/x': { text: 'x', xattrs: { 'trusted.overlay.metacopy': '' } },
  } as const;
  const { error, image } = await attack(
    'FROM busybox\nRUN mkdir -p /t/d && touch /t/d/kept\nCOPY . /t/\nRUN cat /t/d/x; ls /t/d/kept\n',
    { context },
  );
  assert.equal(error, undefined);
  assert.doesNotMatch(JSON.stringify(image?.files), /trusted\.overlay/);
});

test('whiteouts in a context remove nothing and hide nothing', { skip }, async () => {
  const { error, image } = await attack('FROM busybox\nRUN echo 1 >/kept\nCOPY . /\n', {
    context: { '.wh.kept': '', '.wh..wh..opq': '' },
  });
  if (error === undefined) assert.match(image?.files.join('\n') ?? '', /^kept file/m);
  else assert.match(error, /\.wh\./);
});

test('a device of a context is what it says, and is not opened by the engine', {
  skip,
}, async () => {
  const context = { zero: { kind: 'char' }, pipe: { kind: 'fifo' } } as const;
  assert.equal((await attack('FROM busybox\nCOPY zero pipe /x/\n', { context })).error, undefined);
});

test('words of a Dockerfile that grow without end are refused', { skip }, async () => {
  const lines = Array.from({ length: 40 }, (_, at) => `ENV v${at + 1}=$v${at}$v${at}`);
  const { error } = await attack(['FROM busybox', 'ENV v0=xxxxxxxxxx', ...lines].join('\n'));
  assert.match(error ?? '', /too long/);
});

test('requests that are no builds get an answer, not an end', { skip }, async () => {
  const wrong = [
    ...[
      'buildargs=x',
      'buildargs=[]',
      'buildargs={"a":1}',
      'labels=7',
      'cachefrom={}',
      'ulimits=[1]',
    ],
    ...['t=UPPER', 't=a@sha256:0', 'memory=x', 'platform=%00', 'version=2', 'target=%2e%2e'],
    ...[
      'dockerfile=%00',
      `dockerfile=${'d'.repeat(70_000)}`,
      'remote=file:///etc/passwd',
      'remote=-oProxy',
    ],
  ];
  for (const query of wrong) {
    const { status } = await post(
      daemon.engine.socket,
      `/build?${query}`,
      contextArchive({ Dockerfile: 'FROM busybox\n' }),
    );
    assert.ok(status >= 400 && status !== 500, `${query}: ${status}`);
  }
});

test('a client that goes in the middle of its context leaves nothing', { skip }, async () => {
  const out = request({ socketPath: daemon.engine.socket, method: 'POST', path: '/v1.41/build' });
  out.on('error', () => {});
  out.write(
    Buffer.concat(
      await Array.fromAsync(encodeTar([{ ...dockerfile, size: DOCKERFILE.length }])),
    ).subarray(0, 512),
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  out.destroy();
  const folder = join(daemon.engine.directory, 'data/build');
  const { readdir } = await import('node:fs/promises');
  const deadline = performance.now() + 5_000;
  while ((await readdir(folder)).length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(await readdir(folder), []);
});

async function onHost(): Promise<readonly string[]> {
  const { readdir } = await import('node:fs/promises');
  return readdir(outside);
}
