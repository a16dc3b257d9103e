// Builds beside dockerd's classic builder in one run: eight commands with nothing cached, the same
// with everything cached, and what a large context does to the daemon's memory.
// node bench/build.ts [--quick] [--json] measures them alone.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { encodeTar } from '#tar/encode.ts';
import { post } from '../test/fixture/build-client.ts';
import { startEngine } from '../tools/private-engine.ts';
import { ROOT } from '../tools/source.ts';
import { startDockerd } from './dockerd.ts';
import { command, descendants, lowerQuartile, median, memoryOf, times } from './measure.ts';
import { printRows, type Row } from './table.ts';

const ROUNDS = process.argv.includes('--quick') ? 1 : 3;
const CACHED_ROUNDS = 10;
const COMMANDS = 8;
const FASTER_MIN = 5;
const REBUILD_MS_MAX = 150;
const CONTEXT_MIB = 200;
const CONTEXT_FILES = 2_000;
const GROWTH_MIB_MAX = 64;
const SAMPLE_MS = 20;
const IMAGE = join(ROOT, 'dist/busybox.tar');

const DOCKERFILE = [
  'FROM busybox',
  ...Array.from({ length: COMMANDS }, (_, at) => `RUN mkdir -p /w/${at} && echo ${at} >/w/${at}/x`),
].join('\n');

function contextOf(dockerfile: string): AsyncIterable<Uint8Array> {
  const body = Buffer.from(dockerfile);
  return encodeTar([{ kind: 'file', path: 'Dockerfile', mode: 0o644, size: body.length, body }]);
}

async function build(
  socket: string,
  context: AsyncIterable<Uint8Array>,
  query: string,
): Promise<void> {
  const { body } = await post(socket, `/build?networkmode=none&rm=1&forcerm=1${query}`, context);
  if (!body.includes('Successfully built')) throw new Error(`a build failed: ${body.slice(-500)}`);
}

type Figures = { readonly whole: number; readonly cached: number };

async function measure(socket: string): Promise<Figures> {
  const whole = await times(ROUNDS, () => build(socket, contextOf(DOCKERFILE), '&nocache=1'), 1);
  const again = await times(CACHED_ROUNDS, () => build(socket, contextOf(DOCKERFILE), ''), 1);
  return { whole: median(whole), cached: lowerQuartile(again) };
}

async function* largeFiles(): AsyncGenerator<Uint8Array, void, undefined> {
  const size = (CONTEXT_MIB * 2 ** 20) / CONTEXT_FILES;
  const body = Buffer.alloc(size, 'x');
  const text = Buffer.from('FROM busybox\nCOPY . /all\n');
  yield* encodeTar(
    (function* items() {
      yield {
        kind: 'file',
        path: 'Dockerfile',
        mode: 0o644,
        size: text.length,
        body: text,
      } as const;
      for (let at = 0; at < CONTEXT_FILES; at += 1) {
        const path = `d/${at % 50}/${at}`;
        body.write(String(at));
        yield { kind: 'file', path, mode: 0o644, size, body } as const;
      }
    })(),
  );
}

/** MiB over idle at the worst moment, of the daemon and all its helpers. */
async function measureGrowth(engine: {
  readonly pid: number;
  readonly socket: string;
}): Promise<number> {
  const resident = (): number =>
    [engine.pid, ...descendants(engine.pid).map(({ pid }) => pid)]
      .map((pid) => memoryOf(pid).pss)
      .reduce((sum, each) => sum + each, 0) / 1024;
  const once = (): Promise<void> =>
    build(engine.socket, Readable.from(largeFiles(), { highWaterMark: 1 }), '&nocache=1');
  // The first one grows the heap to what any work takes.
  await build(engine.socket, contextOf('FROM busybox\nRUN true\n'), '');
  const idle = resident();
  let most = idle;
  const timer = setInterval(() => {
    most = Math.max(most, resident());
  }, SAMPLE_MS);
  try {
    await once();
  } finally {
    clearInterval(timer);
  }
  return most - idle;
}

export async function measureBuilds(note: (text: string) => void): Promise<readonly Row[]> {
  note('builds: eight commands, the same cached, a large context');
  const execRoot = `/run/bench-build-${process.pid}`;
  const { ours, growth } = await (async () => {
    await using parts = new AsyncDisposableStack();
    parts.defer(() => rmSync(`${execRoot}-own`, { recursive: true, force: true }));
    const engine = parts.use(await startEngine({ flags: ['--exec-root', `${execRoot}-own`] }));
    await command(['docker', '-H', engine.host, 'load', '-q', '-i', IMAGE]);
    return { ours: await measure(engine.socket), growth: await measureGrowth(engine) };
  })();
  const directory = `/tmp/coracle-bench-dockerd-${process.pid}`;
  await using dockerd = await startDockerd({ directory, execRoot }, IMAGE);
  const theirs = dockerd === undefined ? undefined : await measure(dockerd.socket);
  const ratio = theirs === undefined ? undefined : theirs.whole / ours.whole;
  return [
    {
      what: `build of ${COMMANDS} RUN, nothing cached`,
      unit: 'ms',
      ours: ours.whole,
      other: theirs?.whole,
      otherName: theirs === undefined ? '' : 'dockerd',
      goal: `>= ${FASTER_MIN}x dockerd`,
      ratio,
      ok: ratio === undefined ? undefined : ratio >= FASTER_MIN,
    },
    {
      what: 'the same build again, all cached',
      unit: 'ms',
      ours: ours.cached,
      other: theirs?.cached,
      otherName: theirs === undefined ? '' : 'dockerd',
      goal: `<= ${REBUILD_MS_MAX} ms`,
      ratio: theirs === undefined ? undefined : theirs.cached / ours.cached,
      ok: ours.cached <= REBUILD_MS_MAX,
    },
    {
      what: `memory over idle, context of ${CONTEXT_MIB} MiB`,
      unit: 'MiB',
      ours: growth,
      other: undefined,
      otherName: '',
      goal: `<= ${GROWTH_MIB_MAX} MiB`,
      ratio: undefined,
      ok: growth <= GROWTH_MIB_MAX,
    },
  ];
}

if (import.meta.main) {
  const note = (text: string): void => {
    process.stderr.write(`bench: ${text}\n`);
  };
  printRows(await measureBuilds(note), process.argv.includes('--json'));
}
