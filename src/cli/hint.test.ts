import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { ClientError } from '#client/error.ts';
import { nextCommand } from './hint.ts';

const CASES: readonly (readonly [string, string])[] = [
  ['No such container: x', "Try 'coracle ps -a'."],
  ['No such image: team/app:1', "Try 'coracle images'."],
  ['network shop not found', "Try 'coracle network ls'."],
  ['get data: no such volume', "Try 'coracle volume ls'."],
  [
    'Conflict. The container name "/web" is already in use by container "abc".',
    "Try 'coracle rm web'.",
  ],
  ['driver failed: Bind for 0.0.0.0:80 failed: port is already allocated', 'status=running'],
];

for (const [message, expected] of CASES) {
  test(`after "${message}" comes ${expected}`, () => {
    assert.ok(nextCommand(new EngineError('not_found', message), [])?.includes(expected));
  });
}

test('an image that run does not find is pulled, and what lies behind an error counts', () => {
  const missing = new EngineError('not_found', 'No such image: team/app:1');
  assert.equal(nextCommand(missing, ['run', 'team/app:1']), "Try 'coracle pull team/app:1'.");
  const outer = new Error('failed to start', { cause: new Error('No such container: x') });
  assert.equal(nextCommand(outer, ['start', 'x']), "Try 'coracle ps -a'.");
});

test('nobody is told what was just typed, and not every error has a next command', () => {
  const missing = new EngineError('not_found', 'No such container: x');
  assert.equal(nextCommand(missing, ['ps', '-a', '--filter', 'id=x']), undefined);
  assert.equal(nextCommand(new Error('something else'), []), undefined);
  assert.equal(nextCommand('a text', []), undefined);
});

test('where no engine answers, starting one is', () => {
  const error = new ClientError('unavailable', 'Cannot connect', { facts: { unreachable: true } });
  assert.match(nextCommand(error, []) ?? '', /^Start one with 'coracle daemon'/);
});
