import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges } from './change.ts';
import { EMPTY_CONFIG, encodeImageSpec, type ImageConfig, parseImageSpec } from './config.ts';

const apply = (...changes: string[]): ImageConfig => applyChanges(EMPTY_CONFIG, changes);

test('CMD and ENTRYPOINT take the JSON form or a shell line', () => {
  assert.deepEqual(apply('CMD ["a", "b c"]').cmd, ['a', 'b c']);
  assert.deepEqual(apply('cmd echo "$HOME" | wc').cmd, ['/bin/sh', '-c', 'echo "$HOME" | wc']);
  assert.deepEqual(apply('ENTRYPOINT []').entrypoint, []);
  assert.deepEqual(apply('CMD [ -f /x ]').cmd, ['/bin/sh', '-c', '[ -f /x ]']);
});

test('an ENTRYPOINT drops the command that was there, unless a CMD is among the changes', () => {
  const before = { ...EMPTY_CONFIG, cmd: ['old'] };
  const cmdOf = (...changes: string[]) => applyChanges(before, changes).cmd;
  assert.equal(cmdOf('ENTRYPOINT ["a"]'), undefined);
  assert.deepEqual(cmdOf('ENTRYPOINT []'), ['old']);
  assert.deepEqual(cmdOf('CMD ["b"]', 'ENTRYPOINT ["a"]'), ['b']);
  assert.deepEqual(cmdOf('ENTRYPOINT ["a"]', 'CMD ["b"]'), ['b']);
});

test('ENV and LABEL take pairs with quotes and escapes, or one name and the rest', () => {
  assert.deepEqual(apply('ENV A=b C="d e" F=g\\ h').env, ['A=b', 'C=d e', 'F=g h']);
  assert.deepEqual(apply('ENV A some words').env, ['A=some words']);
  assert.deepEqual(apply('ENV A=1', 'ENV B=2', 'ENV A=3').env, ['A=3', 'B=2']);
  assert.deepEqual({ ...apply(`LABEL a.b="it's" 'c d'=e`).labels }, { 'a.b': "it's", 'c d': 'e' });
  assert.throws(() => apply('ENV A=b C'), /can't find = in "C"/);
  assert.throws(() => apply('ENV A'), /ENV must have two arguments/);
  assert.throws(() => apply('ENV =b'), /names can not be blank/);
});

test('EXPOSE, VOLUME, USER, WORKDIR and STOPSIGNAL set what they say', () => {
  assert.deepEqual(apply('EXPOSE 80 53/udp 8000-8002').exposedPorts, [
    '53/udp',
    '80/tcp',
    '8000/tcp',
    '8001/tcp',
    '8002/tcp',
  ]);
  assert.deepEqual(apply('VOLUME /b /a', 'VOLUME ["/c d"]').volumes, ['/a', '/b', '/c d']);
  assert.equal(apply('WORKDIR /a', 'WORKDIR b/../c').workingDir, '/a/c');
  assert.equal(apply('USER 1000:1000').user, '1000:1000');
  assert.equal(apply('STOPSIGNAL SIGQUIT').stopSignal, 'SIGQUIT');
  assert.throws(() => apply('EXPOSE 70000'), /invalid containerPort/);
  assert.throws(() => apply('EXPOSE 5-3'), /invalid containerPort/);
});

test('HEALTHCHECK takes NONE or a command with its times', () => {
  assert.deepEqual(apply('HEALTHCHECK NONE').healthcheck?.test, ['NONE']);
  assert.deepEqual(
    apply('HEALTHCHECK --interval=1m30s --retries=2 --start-period=500ms CMD curl x || exit 1')
      .healthcheck,
    {
      test: ['CMD-SHELL', 'curl x || exit 1'],
      interval: 90e9,
      timeout: 0,
      retries: 2,
      startPeriod: 500e6,
      startInterval: 0,
    },
  );
  assert.deepEqual(apply('HEALTHCHECK CMD ["a"]').healthcheck?.test, ['CMD', 'a']);
  assert.throws(() => apply('HEALTHCHECK --interval=1x CMD a'), /invalid duration/);
  assert.throws(() => apply('HEALTHCHECK --nope=1 CMD a'), /Unknown flag: nope/);
  assert.throws(() => apply('HEALTHCHECK RUN a'), /Unknown type "RUN"/);
});

test('ONBUILD keeps the instruction, but not one that cannot be a trigger', () => {
  assert.deepEqual(apply('ONBUILD RUN make').onBuild, ['RUN make']);
  assert.throws(() => apply('ONBUILD FROM x'), /FROM isn't allowed as an ONBUILD trigger/);
  assert.throws(() => apply('ONBUILD ONBUILD RUN x'), /Chaining ONBUILD/);
});

test('any other instruction is refused, as are empty ones', () => {
  for (const name of ['RUN x', 'FROM x', 'COPY a b', 'constructor x', 'ADD']) {
    assert.throws(() => apply(name), /is not a valid change command/, name);
  }
  assert.throws(() => apply('CMD'), /CMD requires at least one argument/);
});

test('one text may hold several lines, comments and continuations', () => {
  const config = apply('# a comment\nENV A=b \\\n  C=d\n\nUSER x\n');
  assert.deepEqual(config.env, ['A=b', 'C=d']);
  assert.equal(config.user, 'x');
});

test('a changed config is the same after it was written and read', () => {
  const config = apply(
    'CMD ["a"]',
    'ENTRYPOINT []',
    'ENV A=b',
    'LABEL l=m',
    'EXPOSE 80',
    'VOLUME /v',
    'WORKDIR /w',
    'USER u',
    'STOPSIGNAL 9',
    'ONBUILD RUN x',
    'HEALTHCHECK --timeout=3s CMD x',
  );
  const spec = {
    config,
    created: 1_700_000_000_123_456_789n,
    author: 'me',
    comment: 'c',
    dockerVersion: '',
    architecture: 'arm64',
    variant: 'v8',
    os: 'linux',
    osVersion: '',
    diffIds: [],
    history: [{ created: 5n, createdBy: 'x', author: '', comment: '', emptyLayer: true }],
  };
  const bytes = encodeImageSpec(spec);
  const again = parseImageSpec(bytes);
  assert.deepEqual(again, { ...spec, config: { ...config, labels: again.config.labels } });
  assert.deepEqual({ ...again.config.labels }, { l: 'm' });
  assert.ok(encodeImageSpec(again).equals(bytes));
});
