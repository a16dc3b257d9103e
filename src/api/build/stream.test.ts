import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildEvent } from '#build/request.ts';
import type { BuildMessage } from '#wire/build.ts';
import { ClassicStream, WAITING_BYTES_MAX } from './stream.ts';

function listen(): { readonly stream: ClassicStream; readonly told: () => string } {
  const lines: string[] = [];
  const tell = (message: BuildMessage): void => {
    if ('stream' in message) lines.push(message.stream);
  };
  return { stream: new ClassicStream(tell, { quiet: false }), told: () => lines.join('') };
}

const output = (stage: number, text: string | Uint8Array): BuildEvent => ({
  kind: 'output',
  stage,
  step: stage + 1,
  stream: 1,
  data: Buffer.from(text),
});

test('stages that run together are told one after the other', async () => {
  const { stream, told } = listen();
  await stream.add({ kind: 'stages', stages: [0, 2, 5] });
  for (const text of ['a', 'b']) {
    for (const stage of [5, 2, 0]) await stream.add(output(stage, `${stage}${text} `));
  }
  await stream.add({ kind: 'stage-end', stage: 2 });
  assert.equal(told(), '0a 0b ');
  await stream.add({ kind: 'stage-end', stage: 0 });
  assert.equal(told(), '0a 0b 2a 2b 5a 5b ');
  await stream.add(output(5, '5c'));
  assert.equal(told(), '0a 0b 2a 2b 5a 5b 5c');
});

test('a stage that nobody planned is told at once', async () => {
  const { stream, told } = listen();
  await stream.add({ kind: 'stages', stages: [1] });
  await stream.add(output(0, 'needed by a trigger'));
  assert.equal(told(), 'needed by a trigger');
});

test('a stage that waits with too much is held up until its turn', async () => {
  const { stream, told } = listen();
  await stream.add({ kind: 'stages', stages: [0, 1] });
  let isTaken = false;
  const much = stream.add(output(1, Buffer.alloc(WAITING_BYTES_MAX + 1, 'x'))).then(() => {
    isTaken = true;
  });
  await stream.add(output(0, 'first'));
  assert.equal(isTaken, false);
  await stream.add({ kind: 'stage-end', stage: 0 });
  await much;
  assert.equal(told().length, 'first'.length + WAITING_BYTES_MAX + 1);
});

test('a stage that is held up goes on when another one fails', async () => {
  const { stream } = listen();
  await stream.add({ kind: 'stages', stages: [0, 1] });
  const much = stream.add(output(1, Buffer.alloc(WAITING_BYTES_MAX + 1, 'x')));
  await stream.add({ kind: 'failed' });
  await much;
});

test('what waited is told before the error of a build', async () => {
  const { stream, told } = listen();
  await stream.add({ kind: 'stages', stages: [0, 1, 2] });
  await stream.add(output(2, 'two'));
  await stream.add(output(1, 'one '));
  await stream.flush();
  assert.equal(told(), 'one two');
});

test('a letter that comes in two pieces is one letter', async () => {
  const { stream, told } = listen();
  await stream.add({ kind: 'stages', stages: [0] });
  const bytes = Buffer.from('☃');
  await stream.add(output(0, bytes.subarray(0, 1)));
  await stream.add(output(0, bytes.subarray(1)));
  assert.equal(told(), '☃');
});
