import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair, type Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { MESSAGE_BYTES_MAX, serveAgent } from './ssh-agent.ts';

function message(...bytes: readonly number[]): Buffer {
  return Buffer.from([0, 0, 0, bytes.length, ...bytes]);
}

type Sides = {
  readonly step: Duplex;
  /** Of the connection that `step` is the other end of. */
  readonly stepEnd: Duplex;
  readonly agent: Duplex;
  readonly served: Promise<void>;
};

function open(): Sides {
  const [step, stepEnd] = duplexPair();
  const [agent, agentEnd] = duplexPair();
  return { step, stepEnd, agent, served: serveAgent(stepEnd, agentEnd) };
}

test('keys are listed and sign, in pieces too; what changes an agent does not reach it', async () => {
  const { agent, served, step } = open();
  const asked: Buffer[] = [];
  agent.on('data', (chunk: Buffer) => {
    asked.push(chunk);
    agent.write(message(12, 0, 0, 0, asked.length));
  });
  const [first, second] = [message(11), message(13, 1, 2, 3)];
  step.write(first.subarray(0, 2));
  // Add, remove all, lock, an extension.
  const refused = [17, 19, 22, 27].map((type) => message(type, 0));
  step.end(Buffer.concat([first.subarray(2), ...refused, second]));
  const answers = await buffer(step);
  await served;
  assert.deepEqual(Buffer.concat(asked), Buffer.concat([first, second]));
  const failure = message(5);
  assert.deepEqual(
    answers,
    Buffer.concat([
      message(12, 0, 0, 0, 1),
      ...refused.map(() => failure),
      message(12, 0, 0, 0, 2),
    ]),
  );
});

test('an agent that ends, or a connection that breaks while it is asked, ends the connection', async () => {
  const ending = open();
  ending.step.write(message(11));
  await once(ending.agent, 'data');
  ending.agent.end();
  await ending.served;
  const going = open();
  going.step.write(message(11));
  await once(going.agent, 'data');
  going.stepEnd.destroy();
  await going.served.catch(() => {});
});

test('where no agent is, what is asked is refused', async () => {
  const [step, stepEnd] = duplexPair();
  const served = serveAgent(stepEnd, undefined);
  step.end(message(11));
  assert.deepEqual(await buffer(step), message(5));
  await served;
});

test('a message that no agent takes is another protocol', async () => {
  const { served, step } = open();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(MESSAGE_BYTES_MAX + 1);
  step.write(length);
  await assert.rejects(served, /262145 bytes: the peer speaks another protocol/);
});
