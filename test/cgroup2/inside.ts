// Inside the kernel that kernel.ts boots: runs test files one after the other, and writes what
// became of each test into the job's folder, a line of JSON each, as soon as it is known.
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { type Outcome, RESULTS_FILE, WISH_FILE, type Wish } from './job.ts';

const [job = ''] = process.argv.slice(2);
const { files, fileMsMax } = JSON.parse(readFileSync(join(job, WISH_FILE), 'utf8')) as Wish;

function write(outcome: Outcome): void {
  appendFileSync(join(job, RESULTS_FILE), `${JSON.stringify(outcome)}\n`);
}

/** What a test threw is the cause of what node:test tells. */
function describe(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

type Fact = {
  readonly name: string;
  readonly skip?: string | boolean | undefined;
  readonly details: {
    readonly duration_ms: number;
    readonly type?: string | undefined;
    readonly error?: unknown;
  };
};

function record({ name, skip, details }: Fact, error: string | undefined): void {
  if (details.type === 'suite') return;
  const skipped = skip === undefined || skip === false ? undefined : String(skip);
  write({
    name,
    ms: details.duration_ms,
    ...(error === undefined ? {} : { error }),
    ...(skipped === undefined ? {} : { skipped }),
  });
}

const paths = files.map((file) => join(ROOT, file));
const stream = run({
  files: paths,
  concurrency: 1,
  timeout: fileMsMax,
  cwd: ROOT,
  // As in tools/test.ts: the time limit ends a test, not what it hangs on.
  execArgv: ['--test-force-exit', `--import=${join(ROOT, 'tools/whole-report.ts')}`],
  // What ran outside before is there, and nothing can be added.
  env: { ...process.env, NODE_COMPILE_CACHE: join(ROOT, 'build/compile-cache') },
});
stream.on('test:pass', (fact: Fact) => record(fact, undefined));
stream.on('test:fail', (fact: Fact) => record(fact, describe(fact.details.error)));
stream.on('test:stderr', (event: { message: string }) => process.stdout.write(event.message));
for await (const _ of stream) {
  // Reading is what makes the stream go on.
}
write({ name: 'end', ms: performance.now(), end: true });
