import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { checkOutput, writeOutput } from './output-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'coracle-output-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'a.tar');

test('an archive replaces the former file when it is whole, and else leaves it and nothing else', async () => {
  await writeOutput(path, Readable.from([Buffer.from('one '), Buffer.from('two')]));
  assert.equal(readFileSync(path, 'utf8'), 'one two');
  const broken = async function* (): AsyncGenerator<Buffer, void, undefined> {
    yield Buffer.from('half');
    throw new Error('the connection was cut');
  };
  await assert.rejects(writeOutput(path, Readable.from(broken())), /was cut/);
  assert.equal(readFileSync(path, 'utf8'), 'one two');
  assert.deepEqual(readdirSync(folder), ['a.tar']);
});

test('one that is interrupted leaves the former file and nothing else', async () => {
  writeFileSync(path, 'former');
  const module = JSON.stringify(new URL('./output-file.ts', import.meta.url).href);
  const script = `
    const { writeOutput } = await import(${module});
    const { PassThrough } = await import('node:stream');
    const body = new PassThrough();
    body.write('half');
    const written = writeOutput(${JSON.stringify(path)}, body);
    console.log('writes');
    setInterval(() => {}, 1000);
    await written;`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.equal(signal, 'SIGINT');
  assert.equal(readFileSync(path, 'utf8'), 'former');
  assert.deepEqual(readdirSync(folder), ['a.tar']);
});

test('what a rename would lose is refused as by docker', () => {
  writeFileSync(path, '');
  mkdirSync(join(folder, 'd'));
  symlinkSync('a.tar', join(folder, 'link'));
  const refused = (name: string, why: string): void => {
    const message = `failed to save image: ${why}`;
    assert.throws(() => checkOutput(name, 'failed to save image'), { message });
  };
  checkOutput(path, '');
  checkOutput(join(folder, 'new'), '');
  refused(join(folder, 'd'), 'cannot write to a directory');
  refused(join(folder, 'link'), 'cannot write to a symbolic link directly');
  refused('/dev/null', 'cannot write to a character device file');
  const none = join(folder, 'none');
  refused(join(none, 'x'), `invalid output path: stat ${none}: no such file or directory`);
  refused(join(path, 'x'), `invalid output path: stat ${path}: not a directory`);
});
