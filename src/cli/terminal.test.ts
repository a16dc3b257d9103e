// Raw mode on a pty of its own, which script(1) makes.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';

const noPty = spawnSync('script', ['--version']).status !== 0 && 'script(1) is not there';

test('raw mode passes line feeds as they are, and is put back', { skip: noPty }, () => {
  const program = [
    `import { rawMode } from ${JSON.stringify(import.meta.resolve('./terminal.ts'))};`,
    "import { spawnSync } from 'node:child_process';",
    "const show = () => spawnSync('stty', ['-a'], { stdio: 'inherit' });",
    '{ using raw = rawMode(); show(); }',
    "console.log('after'); show();",
  ].join('\n');
  const command = `'${process.execPath}' --input-type=module -e "$PROGRAM"`;
  const env = { ...process.env, PROGRAM: program };
  const shown = execFileSync('script', ['-qec', command, '/dev/null'], { env, encoding: 'utf8' });
  const [raw = '', after = ''] = shown.split('after');
  assert.match(raw, /-opost/);
  assert.match(raw, /-icanon/);
  assert.doesNotMatch(after, /-opost|-icanon/);
});
