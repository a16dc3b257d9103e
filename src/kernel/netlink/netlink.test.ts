import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpError } from '../native/encode.ts';
import type { Op, OpResult } from '../native/op.ts';
import { addLink, getLink } from './link.ts';
import { encodeMessages, NLM_F } from './message.ts';
import { isNetlinkError, Netlink } from './netlink.ts';

const EEXIST = 17;
const ENODEV = 19;
const ENOENT = 2;

function result(op: Op, index: number, errno: number, output: Uint8Array): OpResult {
  return { place: 'agent', index, op: op.op, errno, nanoseconds: 1, output: Buffer.from(output) };
}

/** An agent that answers each operation with these bytes, and refuses the n-th. */
function agent(answer: Uint8Array, refuse?: { at: number; errno: number; output: Uint8Array }) {
  const seen: Op[] = [];
  return {
    seen,
    async perform(ops: readonly Op[]): Promise<readonly OpResult[]> {
      seen.push(...ops);
      return ops.map((op, index) => {
        if (refuse?.at !== index)
          return result(op, index, 0, op.op === 'netlink' ? answer : Buffer.alloc(0));
        throw new OpError(result(op, index, refuse.errno, refuse.output), []);
      });
    },
  };
}

function refusedAt(index: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(index);
  return out;
}

const VETH = addLink({ name: 'va', kind: { kind: 'veth', peer: { name: 'vb' } } });

test('a refusal names the operation, the interface, the namespace and the errno', async () => {
  const netlink = new Netlink(
    agent(Buffer.alloc(0), { at: 0, errno: EEXIST, output: refusedAt(1) }),
  );
  await assert.rejects(netlink.exchange('/run/ns/a', [getLink('lo'), VETH]), (error) => {
    assert.ok(isNetlinkError(error, 'EEXIST'));
    assert.equal(error.code, 'kernel_refused');
    assert.equal(error.message, 'cannot add veth va in /run/ns/a: EEXIST');
    assert.deepEqual([error.index, error.step, error.errno], [1, 0, 'EEXIST']);
    return true;
  });
});

test('what the kernel says beside the errno is passed on', async () => {
  const output = Buffer.concat([refusedAt(0), Buffer.from('Invalid MAC')]);
  const netlink = new Netlink(agent(Buffer.alloc(0), { at: 0, errno: 22, output }));
  await assert.rejects(
    netlink.exchange('', [VETH]),
    /^NetlinkError: cannot add veth va: EINVAL \(Invalid MAC\)$/,
  );
});

test('a namespace that is gone is told apart from a refused message', async () => {
  const netlink = new Netlink(
    agent(Buffer.alloc(0), { at: 0, errno: ENOENT, output: Buffer.alloc(0) }),
  );
  await assert.rejects(netlink.links('/run/ns/gone'), {
    message: 'cannot enter network namespace /run/ns/gone: ENOENT',
    index: -1,
  });
});

test('an interface that is not there is undefined', async () => {
  const netlink = new Netlink(
    agent(Buffer.alloc(0), { at: 0, errno: ENODEV, output: refusedAt(0) }),
  );
  assert.equal(await netlink.link('', 'va'), undefined);
});

test('steps go in one round trip; the answers of each batch stay apart', async () => {
  const port = agent(encodeMessages([getLink(4)]));
  const results = await new Netlink(port).perform([
    { op: 'netns_create', path: '/run/ns/a' },
    { namespace: '', namespaces: ['/run/ns/a'], messages: [VETH] },
  ]);
  assert.deepEqual(
    port.seen.map(({ op }) => op),
    ['netns_create', 'netlink'],
  );
  assert.deepEqual(
    results.map(({ answers }) => answers.length),
    [0, 1],
  );
});

test('the failure of another operation stays its own', async () => {
  const netlink = new Netlink(
    agent(Buffer.alloc(0), { at: 0, errno: EEXIST, output: Buffer.alloc(0) }),
  );
  await assert.rejects(netlink.perform([{ op: 'netns_create', path: '/x' }]), OpError);
});

test('more namespaces than the agent takes are refused before anything is done', async () => {
  const port = agent(Buffer.alloc(0));
  const many = Array.from({ length: 17 }, (_, index) => `/run/${index}`);
  await assert.rejects(new Netlink(port).exchange('', [VETH], many), { code: 'limit_exceeded' });
  assert.equal(port.seen.length, 0);
});

test('a list that changed while it was taken is taken again, a few times', async () => {
  const changed = encodeMessages([{ ...getLink(4), flags: NLM_F.DUMP_INTR }]);
  const port = agent(changed);
  assert.equal((await new Netlink(port).links('')).length, 0);
  assert.equal(port.seen.length, 5);
});
