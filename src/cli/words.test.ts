// The small pure parts: guesses, durations, detach keys, tables, explain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ago, humanDuration, parseDuration, timestamp } from './duration.ts';
import { explainText, timeText } from './explain.ts';
import { portsText } from './format/container.ts';
import { indentJson } from './format/inspect.ts';
import { alignTabs } from './format/tabwriter.ts';
import { editDistance, suggest } from './suggest.ts';
import { DetachWatch, parseDetachKeys } from './terminal.ts';

test('did-you-mean finds a swap, a missing letter and a prefix, and nothing far away', () => {
  assert.deepEqual(suggest('pss', ['ps', 'run']), ['ps']);
  assert.deepEqual(suggest('rnu', ['ps', 'run']), ['run']);
  assert.deepEqual(suggest('expl', ['exec', 'explain', 'run']), ['explain', 'exec']);
  assert.deepEqual(suggest('foo', ['top', 'rm']), []);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('edit distance is symmetric and zero only for equal words', () => {
  const word = fc.string({ maxLength: 8 });
  const property = fc.property(word, word, (a, b) => {
    assert.equal(editDistance(a, b), editDistance(b, a));
    assert.equal(editDistance(a, b) === 0, a === b);
  });
  fc.assert(property);
});

test('durations are read as Go reads them', () => {
  assert.equal(parseDuration('1h30m'), 5_400e9);
  assert.equal(parseDuration('1.5s'), 1.5e9);
  assert.equal(parseDuration('-2ms'), -2e6);
  assert.equal(parseDuration('0'), 0);
  assert.throws(() => parseDuration('5'), /missing unit in duration "5"/);
  assert.throws(() => parseDuration('5x'), /unknown unit "x"/);
  assert.throws(() => parseDuration(''), /invalid duration ""/);
});

test('ages are go-units’ words', () => {
  const words: readonly (readonly [number, string])[] = [
    [0.4, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [119, 'About a minute'],
    [120, '2 minutes'],
    [3600, 'About an hour'],
    [47 * 3600, '47 hours'],
    [3 * 86400, '3 days'],
    [21 * 86400, '3 weeks'],
    [100 * 86400, '3 months'],
    [800 * 86400, '2 years'],
  ];
  for (const [seconds, text] of words) assert.equal(humanDuration(seconds), text);
  assert.equal(ago(1000, 1_005_000), '5 seconds ago');
});

test('since and until go out as Unix times', () => {
  assert.equal(timestamp('1136073600.5'), '1136073600.5');
  assert.equal(timestamp('10s', 100_000), '90.000000000');
  assert.equal(timestamp('2013-01-02T13:23:37Z'), '1357133017.000000000');
  assert.equal(timestamp('2013-01-02T13:23:37.25+01:00'), '1357129417.250000000');
  const midnight = new Date(2013, 0, 2).getTime() / 1000;
  assert.equal(timestamp('2013-01-02'), `${midnight}.000000000`);
  assert.throws(() => timestamp('yesterday'), /failed to parse value as time or duration/);
});

test('the detach keys are taken out, whatever the pieces; a false start is passed on', () => {
  const keys = parseDetachKeys('ctrl-p,ctrl-q');
  assert.deepEqual(keys, [16, 17]);
  const watch = new DetachWatch(keys);
  const first = watch.feed(Buffer.from('a\x10'));
  assert.deepEqual(first, { bytes: Buffer.from('a'), detached: false });
  const next = watch.feed(Buffer.from('b\x10\x10'));
  assert.deepEqual(next.bytes, Buffer.from('\x10b\x10'));
  assert.equal(watch.feed(Buffer.from('\x11')).detached, true);
  assert.throws(() => parseDetachKeys('foo'), /unknown key 'foo'/);
});

test('columns are ten wide at least and three apart, block by block', () => {
  const two = alignTabs('A\tB\nlonger-than-ten\tx\n');
  assert.equal(two, 'A                 B\nlonger-than-ten   x\n');
  assert.equal(alignTabs('a\tb\nplain\nc\td\n'), 'a         b\nplain\nc         d\n');
});

test('neighbouring ports are one range', () => {
  const port = (PrivatePort: number, PublicPort?: number, IP?: string) => ({
    PrivatePort,
    Type: 'tcp',
    ...(PublicPort === undefined ? {} : { PublicPort }),
    ...(IP === undefined ? {} : { IP }),
  });
  assert.equal(portsText([port(80), port(81), port(90)]), '80-81/tcp, 90/tcp');
  const published = [port(80, 8080, '0.0.0.0'), port(81, 8081, '0.0.0.0'), port(80, 8080, '::')];
  const text = '0.0.0.0:8080-8081->80-81/tcp, [::]:8080->80/tcp';
  assert.equal(portsText(published), text);
});

test('JSON is indented without a change to its numbers', () => {
  const text = '{"a":9223372036854775807,"b":[],"c":{},"d":["x, {y}",null]}';
  const lines = ['{', '  "a": 9223372036854775807,', '  "b": [],', '  "c": {},', '  "d": ['];
  const rest = ['    "x, {y}",', '    null', '  ]', '}'];
  assert.equal(indentJson(text, '  '), [...lines, ...rest].join('\n'));
});

test('indented JSON means the same, and is what JSON.stringify writes', () => {
  const property = fc.property(fc.json(), (text) => {
    assert.equal(indentJson(text), JSON.stringify(JSON.parse(text), null, 4));
  });
  fc.assert(property);
});

test('explain shows groups, numbered operations, times at the right, and an errno', () => {
  const text = explainText(
    {
      Id: 'a'.repeat(64),
      Name: '/web',
      Image: 'busybox',
      Groups: [
        {
          Name: 'namespaces',
          Steps: [
            {
              Step: 1,
              Op: 'unshare',
              Text: 'unshare(CLONE_NEWNS)',
              Why: 'Its own mounts.',
              Where: 'init',
              Nanoseconds: 12_300,
              Errno: null,
            },
            {
              Step: 2,
              Op: 'mount',
              Text: 'mount("proc")',
              Why: 'Its own /proc.',
              Where: 'init',
              Nanoseconds: null,
              Errno: 'EPERM',
            },
          ],
        },
      ],
      TotalNanoseconds: 12_300,
    },
    'Making',
    false,
    60,
  );
  const expected = [
    'Making of web: 2 kernel operations, 12.3 µs in all',
    `container ${'a'.repeat(12)}`,
    'image busybox',
    '',
    `NAMESPACES${' '.repeat(43)}12.3 µs`,
    `   1  unshare(CLONE_NEWNS)${' '.repeat(27)}12.3 µs`,
    '      Its own mounts. [init]',
    `   2  mount("proc")${' '.repeat(36)}EPERM`,
    '      Its own /proc. [init]',
    '',
  ];
  assert.equal(text, expected.join('\n'));
  assert.equal(timeText(2_500_000_000), '2.50 s');
});

test('explain says that it shows a plan where no account of the start is kept', () => {
  const reply = { Id: '', Name: 'web', Image: 'busybox', Groups: [], TotalNanoseconds: null };
  const first = (title: string): string =>
    explainText(reply, title, false, 80).split('\n')[0] ?? '';
  assert.equal(first('Plan'), 'Plan of web: 0 kernel operations, not run');
  assert.match(first('Making'), /as planned \(no account of a start is kept\)$/);
});
