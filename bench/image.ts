// Images beside dockerd: pull with unpacking from a registry on loopback, load, save and import,
// and meanwhile the memory of the daemon and how long a ping waits. Each measurement has a new
// folder, and all are removed at the end: ext4 is slow to make files where many were deleted in the
// last minute (recently_deleted() in its ialloc.c), and what one left would be charged to the next.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '#base/digest.ts';
import { HAS_REGISTRY, TestRegistry } from '../test/fixture/registry.ts';
import { Api } from '../tools/api.ts';
import { startEngine } from '../tools/private-engine.ts';
import { makeScratch, removeScratch } from '../tools/scratch.ts';
import { findDockerd, startDockerd } from './dockerd.ts';
import { command } from './measure.ts';
import { printRows, type Row } from './table.ts';

const ROUNDS = process.argv.includes('--quick') ? 1 : 2;
/** Not where tests delete all the time. */
const PLACE = '/var/lib';
const PING_EVERY_MS = 10;
const PING_MS_MAX = 100;
const MEMORY_MIB_MAX = 64;
const PULL_GOAL = 1.5;
const EXEC_ROOT = `/run/bench-images-${process.pid}`;

type Verb = 'pull' | 'load' | 'save' | 'import';
const VERBS: readonly Verb[] = ['pull', 'load', 'save', 'import'];
/** `--only=import` leaves the others out. */
const ONLY = process.argv.find((each) => each.startsWith('--only='))?.slice('--only='.length);
const MEASURED = VERBS.filter((verb) => ONLY === undefined || ONLY === verb);

type Corpus = {
  /** A `docker save` archive, and the tar of a root. */
  readonly archive: string;
  readonly root: string;
  /** Its name at the registry. */
  readonly name: string;
  readonly archiveMiB: number;
};
type Load = { readonly memoryMiB: number; readonly pingMs: number };
type Figures = Readonly<Record<Verb, number>> & Load;

/** Files of this machine: about as many and as large as those of usual images. */
const LAYERS: readonly { readonly from: string; readonly mib: number; readonly files: number }[] = [
  { from: '/usr/lib', mib: 120, files: 400 },
  { from: '/usr/share', mib: 80, files: 20_000 },
  { from: '/usr/bin', mib: 90, files: 1_000 },
  { from: '/usr/lib/python3', mib: 50, files: 5_000 },
  { from: '/usr/include', mib: 30, files: 5_000 },
  { from: '/etc', mib: 1, files: 100 },
];
const ROOT = { from: '/usr/lib', mib: 560, files: 3_000 };

function pack(wish: (typeof LAYERS)[number], to: string): void {
  const found = execFileSync('find', [wish.from, '-xdev', '-type', 'f', '-printf', '%s %p\n'], {
    maxBuffer: 1 << 28,
  });
  const paths: string[] = [];
  let bytes = 0;
  for (const line of found.toString().split('\n')) {
    const size = Number(line.split(' ', 1)[0]);
    if (line === '' || bytes + size > wish.mib * 2 ** 20) continue;
    if (paths.length === wish.files) break;
    bytes += size;
    paths.push(line.slice(line.indexOf(' ') + 1));
  }
  execFileSync('tar', ['-cPf', to, '--transform', 's,^/,,', '-T', '-'], {
    input: paths.join('\n'),
  });
}

function makeArchive(folder: string): string {
  const stage = join(folder, 'archive');
  mkdirSync(stage);
  const diffIds = LAYERS.map((wish, i) => {
    const path = join(stage, `${i}.tar`);
    pack(wish, path);
    return sha256(readFileSync(path));
  });
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created_by: 'bench' })),
  });
  const layers = diffIds.map((_, i) => `${i}.tar`);
  const items = [{ Config: 'config.json', RepoTags: ['bench:latest'], Layers: layers }];
  writeFileSync(join(stage, 'config.json'), config);
  writeFileSync(join(stage, 'manifest.json'), JSON.stringify(items));
  const archive = join(folder, 'bench.tar');
  execFileSync('tar', ['-C', stage, '-cf', archive, ...layers, 'config.json', 'manifest.json']);
  rmSync(stage, { recursive: true });
  return archive;
}

type Side = { readonly host: string; readonly socket: string; readonly pid: number };

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

async function measureVerb(side: Side, verb: Verb, corpus: Corpus): Promise<number> {
  const docker = (...argv: string[]) => command(['docker', '-H', side.host, ...argv]);
  switch (verb) {
    case 'pull':
      return timed(() => docker('pull', '-q', corpus.name));
    case 'load':
      return timed(() => docker('load', '-q', '-i', corpus.archive));
    case 'import':
      return timed(() => docker('import', corpus.root, 'bench:import'));
    case 'save':
      await docker('load', '-q', '-i', corpus.archive);
      return timed(() => docker('save', 'bench:latest'));
    default:
      return verb satisfies never;
  }
}

/** The worst ping and the most memory over idle while something runs. */
async function watch(side: Side, run: () => Promise<void>): Promise<Load> {
  using api = new Api(side.socket);
  const kib = (name: string): number =>
    Number(
      new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(
        readFileSync(`/proc/${side.pid}/status`, 'utf8'),
      )?.[1],
    );
  await api.must('GET', '/_ping');
  const idle = kib('VmRSS');
  writeFileSync(`/proc/${side.pid}/clear_refs`, '5'); // VmHWM begins again, proc_pid_clear_refs(5)
  let running = true;
  let pingMs = 0;
  const pings = (async () => {
    while (running) {
      pingMs = Math.max(pingMs, await timed(() => api.must('GET', '/_ping')));
      await sleep(PING_EVERY_MS);
    }
  })();
  try {
    await run();
  } finally {
    running = false;
    await pings;
  }
  return { pingMs, memoryMiB: (kib('VmHWM') - idle) / 1024 };
}

let count = 0;

async function measure(
  start: (directory: string) => Promise<AsyncDisposable & Side>,
  folder: string,
  corpus: Corpus,
): Promise<Figures> {
  const found: Record<Verb, number> = { pull: 0, load: 0, save: 0, import: 0 };
  let load: Load = { memoryMiB: 0, pingMs: 0 };
  for (const verb of MEASURED) {
    count += 1;
    const directory = join(folder, String(count), basename(folder));
    await using side = await start(directory);
    execFileSync('sync');
    const here = await watch(side, async () => {
      found[verb] = await measureVerb(side, verb, corpus);
    });
    load = {
      memoryMiB: Math.max(load.memoryMiB, here.memoryMiB),
      pingMs: Math.max(load.pingMs, here.pingMs),
    };
    process.stderr.write(
      `bench:   ${verb} ${found[verb].toFixed(0)} ms, ${here.memoryMiB.toFixed(0)} MiB, ping ${here.pingMs.toFixed(0)} ms\n`,
    );
  }
  return { ...found, ...load };
}

function best(rounds: readonly Figures[]): Figures {
  const least = (key: keyof Figures): number => Math.min(...rounds.map((round) => round[key]));
  return {
    pull: least('pull'),
    load: least('load'),
    save: least('save'),
    import: least('import'),
    memoryMiB: Math.max(...rounds.map(({ memoryMiB }) => memoryMiB)),
    pingMs: least('pingMs'),
  };
}

export async function measureImages(note: (text: string) => void): Promise<readonly Row[]> {
  if (!HAS_REGISTRY) return [];
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = PLACE;
  const folder = makeScratch('images-');
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  try {
    return await measureIn(folder, note);
  } finally {
    removeScratch(folder);
  }
}

async function measureIn(folder: string, note: (text: string) => void): Promise<readonly Row[]> {
  note('images: making layers of the files of this machine');
  const archive = makeArchive(folder);
  const root = join(folder, 'root.tar');
  pack(ROOT, root);
  const namespace = join(folder, 'netns');
  writeFileSync(namespace, '');
  execFileSync('unshare', [`--net=${namespace}`, 'ip', 'link', 'set', 'lo', 'up']);
  await using registry = await TestRegistry.start({ namespace });
  await registry.fill(`docker-archive:${archive}`, 'bench:1');
  const archiveMiB = Number(execFileSync('stat', ['-c', '%s', archive]).toString()) / 2 ** 20;
  const corpus = { archive, root, archiveMiB, name: `${registry.host}/bench:1` };
  const ours: Figures[] = [];
  const theirs: Figures[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    note('images: coracle');
    ours.push(await measure((directory) => startOurs(directory, namespace), folder, corpus));
    if (findDockerd() === undefined || process.argv.includes('--alone')) continue;
    note('images: dockerd');
    theirs.push(await measure((directory) => startTheirs(directory, namespace), folder, corpus));
  }
  return tabulate(best(ours), theirs.length === 0 ? undefined : best(theirs), archiveMiB);
}

async function startOurs(directory: string, namespace: string): Promise<AsyncDisposable & Side> {
  mkdirSync(directory, { recursive: true });
  const own = join(directory, 'netns');
  writeFileSync(own, '');
  execFileSync('mount', ['--bind', namespace, own]);
  return startEngine({ directory, flags: ['--exec-root', EXEC_ROOT] });
}

async function startTheirs(directory: string, namespace: string): Promise<AsyncDisposable & Side> {
  const execRoot = EXEC_ROOT;
  const dockerd = await startDockerd({ directory, execRoot, namespace });
  if (dockerd === undefined) throw new Error('dockerd does not start');
  const { host, socket } = dockerd;
  return {
    host,
    socket,
    pid: dockerd.pids()[0] ?? 0,
    [Symbol.asyncDispose]: () => dockerd[Symbol.asyncDispose](),
  };
}

function tabulate(ours: Figures, theirs: Figures | undefined, mib: number): readonly Row[] {
  const rows: Row[] = MEASURED.map((verb) => {
    const goal = verb === 'pull' ? PULL_GOAL : 1;
    const ratio = theirs === undefined ? undefined : theirs[verb] / ours[verb];
    return {
      what: `${verb} (${verb === 'import' ? ROOT.mib : mib.toFixed(0)} MiB)`,
      unit: 'ms',
      ours: ours[verb],
      other: theirs?.[verb],
      otherName: theirs === undefined ? '' : 'dockerd',
      goal: goal === 1 ? 'ahead of dockerd' : `>= ${goal}x dockerd`,
      ratio,
      ok: ratio === undefined ? undefined : ratio >= goal,
    };
  });
  const limit = (what: string, unit: string, key: keyof Load, max: number): Row => ({
    what,
    unit,
    ours: ours[key],
    other: theirs?.[key],
    otherName: theirs === undefined ? '' : 'dockerd',
    goal: `<= ${max} ${unit}`,
    ratio: undefined,
    ok: ours[key] <= max,
  });
  rows.push(limit('memory over idle meanwhile', 'MiB', 'memoryMiB', MEMORY_MIB_MAX));
  rows.push(limit('the longest ping meanwhile', 'ms', 'pingMs', PING_MS_MAX));
  return rows;
}

if (import.meta.main) {
  const note = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
  printRows(await measureImages(note), process.argv.includes('--json'));
}
