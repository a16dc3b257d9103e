// The examples of docs/library.md in a stranger's project: compiled with strict types against the
// package as it is packed, run against us and against a real dockerd, and what they print compared
// with what the page says.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Dockerd, startDockerd } from '../../bench/dockerd.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, runProgram, startDaemon } from '../daemon.ts';

type Example = {
  readonly file: string;
  readonly heading: string;
  readonly runs: boolean;
  readonly code: string;
  readonly prints: string;
};

const skip = cannotRun();
const PAGE = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
const EXAMPLES = examplesOf(PAGE);

let scratch: string;
let project: string;
let daemon: Daemon;
let dockerd: Dockerd | undefined;
/** By engine and file: what an example prints. The engines are asked side by side. */
const printed = new Map<string, Promise<string>>();

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('library-');
  project = join(scratch, 'project');
  makeProject();
  [daemon, dockerd] = await Promise.all([
    startDaemon(),
    startDockerd(
      { directory: join(scratch, 'dockerd'), execRoot: join(scratch, 'exec') },
      join(ROOT, 'dist/busybox.tar'),
    ),
  ]);
  printAll('ours', daemon.engine.host);
  if (dockerd !== undefined) printAll('docker', dockerd.host);
});
after(async () => {
  if (skip !== false) return;
  await dockerd?.[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

function examplesOf(page: string): readonly Example[] {
  const blocks = page.matchAll(
    /^```ts( no-run)?\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm,
  );
  return [...blocks].map((match, index) => {
    const headings = [...page.slice(0, match.index).matchAll(/^## (.*)$/gm)];
    return {
      file: `example-${index + 1}.ts`,
      heading: headings.at(-1)?.[1] ?? '',
      runs: match[1] === undefined,
      code: match[2] ?? '',
      prints: match[3] ?? '',
    };
  });
}

/** What npm would pack of the library, in the node_modules of a project that is not ours. */
function makeProject(): void {
  const home = join(project, 'node_modules/coracle');
  mkdirSync(join(home, 'dist'), { recursive: true });
  const packed = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[];
  };
  assert.ok(packed.files.includes('dist'), 'npm would not pack dist/');
  cpSync(join(ROOT, 'package.json'), join(home, 'package.json'));
  cpSync(join(ROOT, 'dist/library.mjs'), join(home, 'dist/library.mjs'));
  cpSync(join(ROOT, 'dist/types'), join(home, 'dist/types'), { recursive: true });
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
  symlinkSync(join(ROOT, 'node_modules/undici-types'), join(project, 'node_modules/undici-types'));
  writeFileSync(join(project, 'package.json'), '{"type":"module","private":true}');
  const compilerOptions = {
    target: 'es2024',
    lib: ['esnext'],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  for (const { code, file } of EXAMPLES) writeFileSync(join(project, file), code);
}

async function print(file: string, host: string): Promise<string> {
  const env = { PATH: process.env['PATH'], CORACLE_HOST: host };
  const { code, stderr, stdout } = await runProgram(
    [process.execPath, join(project, file)],
    env,
    {},
  );
  assert.equal(code, 0, stderr);
  return stdout;
}

/** One after the other: they may use the same names. */
function printAll(engine: string, host: string): void {
  let before: Promise<unknown> = Promise.resolve();
  for (const { file, runs } of EXAMPLES) {
    if (!runs) continue;
    const mine = before.then(() => print(file, host));
    before = mine.catch(() => {});
    printed.set(`${engine} ${file}`, mine);
  }
}

test('the examples are compiled by a stranger’s strict TypeScript', { skip }, () => {
  assert.ok(EXAMPLES.length >= 12);
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  try {
    execFileSync(tsc, ['-p', project, '--pretty', 'false']);
  } catch (error) {
    assert.fail(String((error as { stdout?: Buffer }).stdout));
  }
});

for (const { file, heading, prints, runs } of EXAMPLES) {
  if (!runs) continue;
  test(`${heading}: ${file} prints what the page says`, { skip }, async () => {
    assert.equal(await printed.get(`ours ${file}`), prints);
  });
  test(`${heading}: ${file} prints the same of a Docker`, { skip }, async (t) => {
    if (dockerd === undefined) t.skip('needs dockerd');
    else assert.equal(await printed.get(`docker ${file}`), prints);
  });
}

test('nothing is left of the examples', { skip }, async () => {
  assert.equal(await daemon.ok('ps', '-aq'), '');
  assert.equal(await daemon.ok('volume', 'ls', '-q'), '');
  assert.equal(await daemon.ok('network', 'ls', '-q', '--filter', 'type=custom'), '');
});

test('the page lists every method', { skip: !existsSync(join(ROOT, 'dist/types')) }, () => {
  const types = join(ROOT, 'dist/types/library');
  const names = ['engine', 'containers', 'container', 'session', 'images', 'networks', 'volumes'];
  const methods = names.flatMap((name) => {
    const text = readFileSync(join(types, `${name}.d.ts`), 'utf8');
    return [...text.matchAll(/^ {4}(?:get )?(\w+)\(/gm)].map((match) => match[1] ?? '');
  });
  const missing = methods.filter((name) => name !== 'constructor' && !PAGE.includes(`\`${name}\``));
  assert.deepEqual(missing, []);
});
