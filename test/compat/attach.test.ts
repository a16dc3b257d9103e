// Our own attach, by a person at a terminal.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, startDaemon } from '../daemon.ts';
import { Terminal } from './terminal.ts';

const skip = cannotRun();
const ATTACH = `${join(ROOT, 'bin/coracle')} attach`;

test('attach shows the prompt of a shell, the second time too', { skip }, async () => {
  await using daemon = await startDaemon();
  await daemon.ok('run', '-dit', '--name', 'shell', '--network', 'none', 'busybox', 'sh');
  for (const _ of ['first', 'second']) {
    const size = { rows: 33, cols: 77 };
    await using terminal = await Terminal.open(`${ATTACH} shell`, size, daemon.engine.env);
    await terminal.until(/\/ # /);
    terminal.press('\x10\x11');
    await terminal.until(/read escape sequence/);
  }
  const shown = await daemon.ok('exec', 'shell', 'stty', '-F', '/dev/pts/0', 'size');
  assert.equal(shown, '33 77');
});
