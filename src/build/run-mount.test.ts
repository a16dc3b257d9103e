import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRunMount } from './run-mount.ts';

const PLACE = { start: 3, end: 3 };
const parse = (text: string) => parseRunMount(text, PLACE);

test('a mount has what it says, and the rest by its type', () => {
  assert.deepEqual(parse('type=cache,target=/c,id=x,sharing=locked,mode=0700,uid=3,gid=4'), {
    type: 'cache',
    target: '/c',
    source: '',
    from: '',
    id: 'x',
    readOnly: false,
    required: false,
    sharing: 'locked',
    mode: 0o700,
    uid: 3,
    gid: 4,
    size: 0,
    env: '',
    targetSaid: true,
  });
  assert.equal(parse('target=/x').readOnly, true);
  assert.equal(parse('target=/x,rw').readOnly, false);
  assert.equal(parse('type=tmpfs,dst=/x,size=2m').size, 2 * 1024 * 1024);
  assert.equal(parse('type=secret,id=s').target, '/run/secrets/s');
  assert.equal(parse('type=secret,target=/etc/token').id, 'token');
  assert.equal(parse('type=ssh').id, 'default');
  assert.equal(parse('type=ssh,target=/my/sock').id, 'default');
});

test('what a mount cannot mean is refused with its line', () => {
  for (const [text, message] of [
    ['type=moon,target=/x', /line 3: unsupported mount type "moon"/],
    ['type=cache', /no target/],
    ['target=/x,shape=round', /unexpected key 'shape'/],
    ['type=cache,target=/x,sharing=some', /unsupported sharing value "some"/],
    ['type=tmpfs,target=/x,size=much', /invalid size much/],
    ['type=cache,target=/x,mode=9', /invalid mode 9/],
    ['type=cache,target=/x,uid=-1', /invalid id -1/],
    ['type=cache,target=/x,from=y', /begins empty/],
    ['target=/x,from=y,rw', /can only be read/],
    ['type=ssh,source=/run/sock', /ssh does not support source/],
  ] as const) {
    assert.throws(() => parse(text), message, text);
  }
});
