// Runs the checks and every test, and ends with one line: "N passed, N failed". Words on the
// command line choose parts: check unit golden fuzz api systemd compat root cgroup2; none means all
// of them. A file that cannot bear another one beside it says so in a line "// Alone: why".
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { ROOT } from './source.ts';

const SLOW_SHOWN = 12;
const SLOW_MS_MIN = 1_000;
/** Lines of what a file that failed wrote. */
const NOTES_MAX = 60;
const CHECK_MS_MAX = 180_000;
const TSC = join(ROOT, 'node_modules/.bin/tsc');
// The program itself: its npm wrapper wants packages of every platform to be there.
const BIOME = join(ROOT, `node_modules/@biomejs/cli-linux-${process.arch}/biome`);

/** How many files run at once: two cores. */
const WORKERS = 2;
const ALONE = /^\/\/ Alone: /m;

type Part = {
  readonly name: string;
  readonly files: string;
  /** Of each test, as node:test takes a time limit. */
  readonly testMsMax: number;
  readonly root: boolean;
};

/** In the order in which they begin. */
const PARTS: readonly Part[] = [
  { name: 'unit', files: 'src/**/*.test.ts', testMsMax: 60_000, root: false },
  { name: 'golden', files: 'test/golden/**/*.test.ts', testMsMax: 60_000, root: false },
  { name: 'fuzz', files: 'test/fuzz/**/*.test.ts', testMsMax: 120_000, root: false },
  { name: 'api', files: 'test/api/**/*.test.ts', testMsMax: 180_000, root: true },
  // Boots a machine with one processor, which is one worker's for long.
  { name: 'systemd', files: 'test/systemd/**/*.test.ts', testMsMax: 400_000, root: true },
  { name: 'compat', files: 'test/compat/**/*.test.ts', testMsMax: 240_000, root: true },
  { name: 'root', files: 'test/root/**/*.test.ts', testMsMax: 300_000, root: true },
  { name: 'cgroup2', files: 'test/cgroup2/**/*.test.ts', testMsMax: 200_000, root: true },
];
const TIDY: Part = { name: 'tidy', files: 'tools/*.test.ts', testMsMax: 60_000, root: false };

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
  await runParts([TIDY], tally);
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

/** A part while its files run. */
class Course {
  readonly part: Part;
  readonly files: readonly string[];
  #left: number;
  #startedAt = 0;
  #passed = 0;
  #failed = 0;

  constructor(part: Part) {
    this.part = part;
    this.files = globSync(part.files, { cwd: ROOT }).toSorted();
    this.#left = this.files.length;
  }

  async run(file: string, tally: Tally): Promise<void> {
    this.#startedAt ||= performance.now();
    const stream = run({
      files: [join(ROOT, file)],
      timeout: this.part.testMsMax,
      cwd: ROOT,
      // The time limit is that of a test: a file whose test hangs on something would never end.
      execArgv: ['--test-force-exit', `--import=${join(ROOT, 'tools/whole-report.ts')}`],
      env: { ...process.env, NODE_COMPILE_CACHE: join(ROOT, 'build/compile-cache') },
    });
    const one: Tally = { passed: 0, failed: 0, skipped: 0, failures: [], slow: tally.slow };
    const notes: string[] = [];
    stream.on('test:pass', (fact: TestFact) => record(fact, true, one));
    stream.on('test:fail', (fact: TestFact) => record(fact, false, one));
    stream.on('test:stderr', (event: { message: string }) => notes.push(event.message));
    for await (const _ of stream) {
      // Reading is what makes the stream go on.
    }
    if (one.failed > 0 && notes.length > 0) {
      const last = notes.join('').trimEnd().split('\n').slice(-NOTES_MAX);
      process.stdout.write(`${indent(last.join('\n'))}\n`);
    }
    tally.passed += one.passed;
    tally.failed += one.failed;
    tally.skipped += one.skipped;
    tally.failures.push(...one.failures);
    this.#passed += one.passed;
    this.#failed += one.failed;
    this.#left -= 1;
    if (this.#left === 0) this.#tell();
  }

  #tell(): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    process.stdout.write(
      `${this.#failed === 0 ? 'ok  ' : 'FAIL'} ${this.part.name}: ${this.files.length} files, ${this.#passed} passed, ${this.#failed} failed (${seconds} s)\n`,
    );
  }
}

type Job = { readonly course: Course; readonly file: string };

/** What bears company by WORKERS at a time, in the order of the parts; then the rest one by one. */
async function runParts(parts: readonly Part[], tally: Tally): Promise<void> {
  const jobs = parts.flatMap((part): readonly Job[] => {
    if (part.root && process.getuid?.() !== 0) {
      process.stdout.write(`skip ${part.name}: needs root\n`);
      return [];
    }
    const course = new Course(part);
    return course.files.map((file) => ({ course, file }));
  });
  const isAlone = ({ file }: Job): boolean => ALONE.test(readFileSync(join(ROOT, file), 'utf8'));
  const { alone = [], together = [] } = Object.groupBy(jobs, (job) =>
    isAlone(job) ? 'alone' : 'together',
  );
  const work = async (queue: Job[]): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      await job.course.run(job.file, tally);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, () => work(together)));
  await work(alone);
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
await runParts(
  PARTS.filter(({ name }) => chosen(name)),
  tally,
);
report(tally, (performance.now() - startedAt) / 1000);
process.exit(tally.failed > 0 || tally.passed === 0 ? 1 : 0);
