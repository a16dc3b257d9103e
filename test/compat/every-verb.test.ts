// Every verb of the docker CLI and its flags that matter, asked of a real dockerd and of us by the
// same client in the same version of the API: exit codes and outputs are the same, or the
// difference is in the table with its reason.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Dockerd, findDockerd, startDockerd } from '../../bench/dockerd.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, runProgram, startDaemon } from '../daemon.ts';
import { CONTAINERS, RUNS } from './verb/container-table.ts';
import { EVENTS } from './verb/event-table.ts';
import { LIVES } from './verb/life-table.ts';
import { normal } from './verb/normal.ts';
import type { Row } from './verb/row.ts';
import { THINGS } from './verb/thing-table.ts';

const ROW_MS_MAX = 60_000;
const RUNS_AT_ONCE = 4;
/** After a section that failed, the next one begins with nothing as well. */
const CLEAN = 'docker ps -aq | xargs -r docker rm -fv; docker network prune -f';
/** What a row waits with: for what a command says by its code, as long as no row may take. */
const UNTIL = 'until_ok() { until "$@" >/dev/null 2>&1; do sleep 0.05; done; }';
/** For the loops of a container's shell, which say that they have their traps. */
const READY =
  'ready() { until test $(docker logs $1 2>/dev/null | grep -c ready) = ${2:-1}; do sleep 0.05; done; }';
/** The newest that dockerd 20.10 knows. */
const API_VERSION = '1.41';

let skip = cannotRun();
if (skip === false && findDockerd() === undefined) skip = 'needs dockerd';
let scratch: string;
let daemon: Daemon;
let dockerd: Dockerd | undefined;

type Side = { readonly host: string; readonly cwd: string; readonly root: string };
let sides: readonly [theirs: Side, ours: Side];

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('verbs-');
  const directories = { directory: join(scratch, 'dockerd'), execRoot: join(scratch, 'exec') };
  [daemon, dockerd] = await Promise.all([
    startDaemon(),
    startDockerd(directories, join(ROOT, 'dist/busybox.tar')),
  ]);
  assert.ok(dockerd !== undefined, readFileSync(join(scratch, 'dockerd/dockerd.log'), 'utf8'));
  sides = [
    { host: dockerd.host, cwd: join(scratch, 'theirs'), root: join(scratch, 'dockerd/data') },
    {
      host: daemon.engine.host,
      cwd: join(scratch, 'ours'),
      root: join(daemon.engine.directory, 'data'),
    },
  ];
  for (const { cwd } of sides) mkdirSync(cwd);
});
after(async () => {
  if (skip !== false) return;
  await dockerd?.[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

type Said = { readonly code: number; readonly said: string };

async function say(side: Side, line: string, events: boolean): Promise<Said> {
  const env = { ...process.env, DOCKER_HOST: side.host, DOCKER_API_VERSION: API_VERSION };
  const run = (text: string) =>
    runProgram(['sh', '-c', `${UNTIL}; ${READY}; cd ${side.cwd}; ${text}`], env, {
      timeoutMs: ROW_MS_MAX,
    });
  const since = Date.now() / 1000;
  const { code, stdout, stderr } = await run(line);
  const until = Date.now() / 1000 + 0.05;
  const format = '{{.Type}} {{.Action}} {{json .Actor.Attributes}}';
  const told = events
    ? (await run(`docker events --since ${since} --until ${until} --format '${format}'`)).stdout
    : '';
  const own = [
    [side.root, 'ROOT'],
    [side.cwd, 'CWD'],
  ] as const;
  const texts = [stdout, stderr, told].map((text) => normal(text, own));
  return { code, said: texts.join('\n--\n') };
}

async function check(row: Row, events: boolean): Promise<void> {
  const line = typeof row === 'string' ? row : row.run;
  const [theirs, ours] = await Promise.all(sides.map((side) => say(side, line, events)));
  if (typeof row === 'string') assert.deepEqual(ours, theirs, `differs: ${line}`);
  else assert.equal(ours?.code, 'ours' in row ? row.ours : theirs?.code, `another code: ${line}`);
}

/** One after another, but for those of `run`, which stand alone. */
async function checkAll(rows: readonly Row[], events: boolean, atOnce: number): Promise<void> {
  const queue = [...rows];
  const work = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) await check(row, events);
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

async function clean(): Promise<void> {
  if (skip === false) await Promise.all(sides.map((side) => say(side, CLEAN, false)));
}

for (const [table, events] of [
  [RUNS, false],
  [CONTAINERS, false],
  [THINGS, false],
  [EVENTS, true],
] as const) {
  for (const [name, rows] of Object.entries(table)) {
    test(`as dockerd: ${name}`, { skip }, async () => {
      try {
        await checkAll(rows, events, table === RUNS ? RUNS_AT_ONCE : 1);
      } finally {
        await clean();
      }
    });
  }
}

// They wait more than they work, and each has names of its own.
suite('as dockerd, side by side', { concurrency: true }, () => {
  after(clean);
  for (const [name, rows] of Object.entries(LIVES)) {
    test(`as dockerd: ${name}`, { skip }, () => checkAll(rows, false, 1));
  }
});
