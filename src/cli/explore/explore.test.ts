import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExploreChange, ExploreReply } from '#wire/explore.ts';
import { draw, firstScreen, keysOf, press } from './screen.ts';
import { plainText } from './tree.ts';

const change = (
  Kind: ExploreChange['Kind'],
  Path: string,
  Bytes = 0,
  Wasted = 0,
): ExploreChange => ({
  Kind,
  Path: Path.replace(/\/$/, ''),
  Directory: Path.endsWith('/'),
  Bytes,
  Wasted,
});

const REPLY: ExploreReply = {
  Id: 'sha256:1',
  Name: 'demo:latest',
  Bytes: 3300,
  Wasted: 1000,
  WastedPercent: 30.303,
  Layers: [
    {
      DiffId: `sha256:${'a'.repeat(64)}`,
      CreatedBy: 'ADD base\t/',
      Bytes: 3000,
      Wasted: 0,
      Changes: [change('A', 'etc/'), change('A', 'etc/x', 2000), change('A', 'opt/lib/deep', 1000)],
    },
    {
      DiffId: `sha256:${'b'.repeat(64)}`,
      CreatedBy: '',
      Bytes: 300,
      Wasted: 1000,
      Changes: [change('C', 'etc/x', 300), change('D', 'opt/', 0, 1000)],
    },
  ],
};

test('the text shows each layer as a tree with sums, as deep as is asked', () => {
  assert.equal(
    plainText(REPLY, 2, false),
    `demo:latest: 3.3kB in 2 layers, 1kB wasted (30.3 %)

1  sha256:aaaaaaaaaaaa  3kB  +2 ~0 -0 files
   ADD base /
      2kB  + etc/ 1 files
      2kB    + x
      1kB    opt/ 1 files
      1kB      lib/ 1 files

2  sha256:bbbbbbbbbbbb  300B  +0 ~1 -0 files, wastes 1kB
     300B    etc/ 1 files
     300B    ~ x
       0B  - opt/ wastes 1kB
`,
  );
  assert.match(plainText(REPLY, 0, false), /1kB {6}\+ deep/);
});

test('keys choose a layer, move in its tree, open and close what has something in it', () => {
  let screen = firstScreen(REPLY);
  const shown = (): readonly string[] => draw(screen, 12, false);
  assert.equal(shown().length, 12);
  assert.ok(shown().some((line) => /^>.*▸\+ etc\/ 1 files/.test(line)));
  screen = press(screen, 'toggle');
  assert.ok(shown().some((line) => line.includes('+ x')));
  screen = press(press(screen, 'down'), 'toggle');
  assert.ok(shown().some((line) => /^>.*\+ x/.test(line)));
  screen = press(press(screen, 'up'), 'toggle');
  assert.ok(!shown().some((line) => line.includes('+ x')));
  screen = press(screen, 'next');
  assert.ok(shown().some((line) => /^> 2 {2}sha256:bbb/.test(line)));
  assert.equal(press(screen, 'next'), screen);
  screen = press(press(screen, 'pagedown'), 'before');
  assert.ok(shown().some((line) => /^> 1 {2}sha256:aaa/.test(line)));
});

test('keys are those of a terminal and of vi, several at once too', () => {
  assert.deepEqual(keysOf('\u001b[Aj\tx'), ['up', 'down', 'next']);
  assert.deepEqual(keysOf('\u001b[5~q'), ['pageup', 'quit']);
});

test('a name in an image writes nothing to the terminal but itself', () => {
  const changes = [change('A', 'a\u001b]0;title\u0007\nb', 1)];
  const layer = { DiffId: '', CreatedBy: 'RUN\t\u009b31m x', Bytes: 1, Wasted: 0 };
  const reply = { ...REPLY, Layers: [{ ...layer, Changes: changes }] };
  const shown = [plainText(reply, 0, false), ...draw(firstScreen(reply), 10, false)].join('\n');
  assert.ok(shown.includes('+ a?]0;title??b\n'), shown);
  assert.ok(shown.includes('RUN ?31m x\n'), shown);
  assert.doesNotMatch(shown, /[\u001b\u0007\u009b]/);
});
