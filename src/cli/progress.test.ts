import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProgressMessage } from '#wire/image.ts';
import { ProgressDisplay } from './progress.ts';

const MESSAGES: readonly ProgressMessage[] = [
  { status: 'Pulling from a/bb', id: '1' },
  { status: 'Pulling fs layer', progressDetail: {}, id: 'aaa' },
  { status: 'Pulling fs layer', progressDetail: {}, id: 'bbb' },
  { status: 'Downloading', progressDetail: { current: 250, total: 1000 }, id: 'aaa' },
  { status: 'Pull complete', progressDetail: {}, id: 'aaa' },
  { status: 'Digest: sha256:0' },
];

function shown(out: { isTTY?: boolean; columns?: number }, messages = MESSAGES): string {
  const pieces: string[] = [];
  const display = new ProgressDisplay({ ...out, write: (piece) => pieces.push(piece) });
  for (const message of messages) display.show(message);
  return pieces.join('');
}

test('on a terminal each layer has a line that is written anew', () => {
  const bar = `[${'='.repeat(12)}>${' '.repeat(38)}]     250B/1kB`;
  const line = (up: number, text: string): string => `\x1b[${up}A\x1b[2K\r${text}\r\x1b[${up}B`;
  assert.equal(
    shown({ isTTY: true, columns: 120 }),
    '1: Pulling from a/bb\n' +
      `\n${line(1, 'aaa: Pulling fs layer ')}` +
      `\n${line(1, 'bbb: Pulling fs layer ')}` +
      line(2, `aaa: Downloading ${bar}`) +
      line(2, 'aaa: Pull complete ') +
      'Digest: sha256:0\n',
  );
  assert.ok(shown({ isTTY: true, columns: 80 }).includes('Downloading     250B/1kB\r'));
});

test('elsewhere there are the texts, and no numbers', () => {
  assert.equal(
    shown({}),
    [
      '1: Pulling from a/bb',
      'aaa: Pulling fs layer',
      'bbb: Pulling fs layer',
      'aaa: Pull complete',
      'Digest: sha256:0',
      '',
    ].join('\n'),
  );
  assert.equal(shown({}, [{ stream: 'Loaded image: x\n' }]), 'Loaded image: x\n');
});
