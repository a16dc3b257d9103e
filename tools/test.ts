// Runs the checks and every test, and ends with one line: "N passed, N failed". Words on the
// command line choose parts: check unit golden fuzz api compat cgroup2 systemd root; none means all
// of them.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { ROOT } from './source.ts';

const SLOW_SHOWN = 12;
const SLOW_MS_MIN = 1_000;
const CHECK_MS_MAX = 180_000;
const TSC = join(ROOT, 'node_modules/.bin/tsc');
// The program itself: its npm wrapper wants packages of every platform to be there.
const BIOME = join(ROOT, `node_modules/@biomejs/cli-linux-${process.arch}/biome`);

type Part = {
  readonly name: string;
  readonly files: readonly string[];
  /** How many files run at once: two cores, and root tests count what is on the whole machine. */
  readonly concurrency: number;
  /** Of each test, as node:test takes a time limit. */
  readonly testMsMax: number;
  readonly root: boolean;
};

const PARTS: readonly Part[] = [
  { name: 'unit', files: ['src/**/*.test.ts'], concurrency: 2, testMsMax: 60_000, root: false },
  {
    name: 'golden',
    files: ['test/golden/**/*.test.ts'],
    concurrency: 2,
    testMsMax: 60_000,
    root: false,
  },
  {
    name: 'fuzz',
    files: ['test/fuzz/**/*.test.ts'],
    concurrency: 2,
    testMsMax: 120_000,
    root: false,
  },
  { name: 'api', files: ['test/api/**/*.test.ts'], concurrency: 2, testMsMax: 180_000, root: true },
  {
    name: 'compat',
    files: ['test/compat/**/*.test.ts'],
    concurrency: 2,
    testMsMax: 240_000,
    root: true,
  },
  {
    // Boots a kernel that measures time by this machine's: nothing may run beside it.
    name: 'cgroup2',
    files: ['test/cgroup2/**/*.test.ts'],
    concurrency: 1,
    testMsMax: 200_000,
    root: true,
  },
  {
    // Boots a kernel, too.
    name: 'systemd',
    files: ['test/systemd/**/*.test.ts'],
    concurrency: 1,
    testMsMax: 400_000,
    root: true,
  },
  {
    name: 'root',
    files: ['test/root/**/*.test.ts'],
    concurrency: 1,
    testMsMax: 300_000,
    root: true,
  },
];

type Tally = {
  passed: number;
  failed: number;
  skipped: number;
  readonly failures: string[];
  readonly slow: { readonly name: string; readonly ms: number }[];
};

/** One program as one test: types and lint. */
async function check(name: string, argv: readonly string[], tally: Tally): Promise<void> {
  const [command = '', ...rest] = argv;
  const startedAt = performance.now();
  const child = spawn(command, rest, { cwd: ROOT, timeout: CHECK_MS_MAX });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('error', (error) => {
    output.push(Buffer.from(error.message));
    resolve(1);
  });
  child.on('close', (code) => resolve(code ?? 1));
  const ok = (await promise) === 0;
  const ms = performance.now() - startedAt;
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name} (${(ms / 1000).toFixed(1)} s)\n`);
  if (ok) tally.passed += 1;
  else {
    tally.failed += 1;
    tally.failures.push(`${name}\n${indent(Buffer.concat(output).toString().trimEnd())}`);
  }
}

async function checks(tally: Tally): Promise<void> {
  await check('tsc: types', [TSC, '-p', '.', '--pretty', 'false'], tally);
  await check('biome: lint', [BIOME, 'lint', '--error-on-warnings'], tally);
  await check('biome: format', [BIOME, 'format'], tally);
  await runFiles(
    { name: 'tidy', files: ['tools/*.test.ts'], concurrency: 1, testMsMax: 60_000, root: false },
    tally,
  );
}

type TestFact = {
  readonly name: string;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: {
    readonly duration_ms: number;
    readonly type?: string | undefined;
    readonly error?: unknown;
  };
};

function where(fact: TestFact): string {
  return `${fact.file?.replace(`${ROOT}/`, '') ?? ''}: ${fact.name}`;
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}

/** node:test wraps what a test threw; the cause has the message and the stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause ?? error;
  if (!(cause instanceof Error)) return String(cause);
  return (cause.stack ?? cause.message).replace(/^\s+at .*\(?node:internal.*\n?/gm, '');
}

function record(fact: TestFact, ok: boolean, tally: Tally): void {
  if (fact.details.type === 'suite') return;
  if (fact.skip !== undefined && fact.skip !== false) {
    tally.skipped += 1;
    process.stdout.write(
      `skip ${where(fact)}${typeof fact.skip === 'string' ? ` (${fact.skip})` : ''}\n`,
    );
    return;
  }
  const ms = fact.details.duration_ms;
  if (ms >= SLOW_MS_MIN) tally.slow.push({ name: where(fact), ms });
  if (ok) {
    tally.passed += 1;
    return;
  }
  tally.failed += 1;
  tally.failures.push(`${where(fact)}\n${indent(describe(fact.details.error))}`);
  process.stdout.write(`FAIL ${where(fact)}\n`);
}

async function runFiles(part: Part, tally: Tally): Promise<void> {
  const files = globSync([...part.files], { cwd: ROOT })
    .toSorted()
    .map((file) => join(ROOT, file));
  if (files.length === 0) return;
  if (part.root && process.getuid?.() !== 0) {
    process.stdout.write(`skip ${part.name}: needs root\n`);
    return;
  }
  const before = { passed: tally.passed, failed: tally.failed };
  const startedAt = performance.now();
  const stream = run({
    files,
    concurrency: part.concurrency,
    timeout: part.testMsMax,
    cwd: ROOT,
    // The time limit is that of a test: a file whose test hangs on something would never end.
    execArgv: ['--test-force-exit', `--import=${join(ROOT, 'tools/whole-report.ts')}`],
  });
  const notes: string[] = [];
  stream.on('test:pass', (fact: TestFact) => record(fact, true, tally));
  stream.on('test:fail', (fact: TestFact) => record(fact, false, tally));
  stream.on('test:stderr', (event: { file: string; message: string }) => notes.push(event.message));
  for await (const _ of stream) {
    // Reading is what makes the stream go on.
  }
  const passed = tally.passed - before.passed;
  const failed = tally.failed - before.failed;
  if (failed > 0 && notes.length > 0) {
    process.stdout.write(`${indent(notes.join('').trimEnd().split('\n').slice(-60).join('\n'))}\n`);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(
    `${failed === 0 ? 'ok  ' : 'FAIL'} ${part.name}: ${files.length} files, ${passed} passed, ${failed} failed (${seconds} s)\n`,
  );
}

function report(tally: Tally, seconds: number): void {
  const slow = tally.slow.toSorted((a, b) => b.ms - a.ms).slice(0, SLOW_SHOWN);
  if (slow.length > 0) process.stdout.write('\nSlowest:\n');
  for (const { name, ms } of slow) process.stdout.write(`  ${(ms / 1000).toFixed(1)} s  ${name}\n`);
  if (tally.failures.length > 0) process.stdout.write('\nFailures:\n');
  for (const failure of tally.failures) process.stdout.write(`\n  ${failure}\n`);
  if (tally.skipped > 0) process.stdout.write(`\n${tally.skipped} skipped\n`);
  process.stdout.write(
    `\nin ${seconds.toFixed(0)} s\n${tally.passed} passed, ${tally.failed} failed\n`,
  );
}

const wanted = process.argv.slice(2);
const known = ['check', ...PARTS.map((part) => part.name)];
const unknown = wanted.filter((word) => !known.includes(word));
if (unknown.length > 0) {
  process.stderr.write(`test: unknown part ${unknown.join(', ')}; there are ${known.join(' ')}\n`);
  process.exit(2);
}
const tally: Tally = { passed: 0, failed: 0, skipped: 0, failures: [], slow: [] };
const startedAt = performance.now();
const chosen = (name: string): boolean => wanted.length === 0 || wanted.includes(name);
if (chosen('check')) await checks(tally);
for (const part of PARTS) if (chosen(part.name)) await runFiles(part, tally);
report(tally, (performance.now() - startedAt) / 1000);
process.exit(tally.failed > 0 || tally.passed === 0 ? 1 : 0);
