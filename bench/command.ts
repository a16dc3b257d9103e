// What a user waits for at the docker CLI: run on the default bridge, run without a network, exec.
// Both engines are up, and take turns, so that what else the machine does meanwhile is charged to
// both. node bench/command.ts [--quick] [--json] measures them alone.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEngine } from '../tools/private-engine.ts';
import { ROOT } from '../tools/source.ts';
import { startDockerd } from './dockerd.ts';
import { median, stopwatch } from './measure.ts';
import { printRows, type Row } from './table.ts';

const TURNS = process.argv.includes('--quick') ? 1 : 4;
/** In a turn; the first ones of it are not measured. */
const ROUNDS = 10;
const WARM = 2;
/**
 * Of the first command, before all: a daemon lives for weeks, and its code is compiled as it runs.
 */
const FIRST_ROUNDS = 40;
const RUN_GOAL = 8;
const EXEC_GOAL = 2;
const KEEPER = 'bench-keeper';
const IMAGE = join(ROOT, 'dist/busybox.tar');

const COMMANDS = [
  { what: 'docker run --rm busybox true', argv: ['run', '--rm', 'busybox', 'true'] },
  {
    what: 'the same with --network none',
    argv: ['run', '--rm', '--network', 'none', 'busybox', 'true'],
  },
  { what: 'docker exec', argv: ['exec', KEEPER, 'true'] },
] as const;

function turn(host: string, argv: readonly string[]): readonly number[] {
  return stopwatch(ROUNDS, ['docker', '-H', host, ...argv]).slice(WARM);
}

function keep(host: string): void {
  const run = ['run', '-d', '--name', KEEPER, '--network', 'none', 'busybox', 'sleep', '1000'];
  execFileSync('docker', ['-H', host, ...run]);
}

export async function measureCommands(note: (text: string) => void): Promise<readonly Row[]> {
  note('docker run, docker exec');
  const place = (name: string): string => `/run/bench-commands-${name}-${process.pid}`;
  await using parts = new AsyncDisposableStack();
  parts.defer(() => rmSync(place('coracle'), { recursive: true, force: true }));
  const ours = parts.use(await startEngine({ flags: ['--exec-root', place('coracle')] }));
  const directory = `/tmp/coracle-bench-dockerd-${process.pid}`;
  const theirs = parts.use(await startDockerd({ directory, execRoot: place('dockerd') }, IMAGE));
  const hosts = [ours.host, ...(theirs === undefined ? [] : [theirs.host])];
  for (const host of hosts) keep(host);
  for (const host of hosts) stopwatch(FIRST_ROUNDS, ['docker', '-H', host, ...COMMANDS[0].argv]);
  const times = COMMANDS.map(() => hosts.map((): number[] => []));
  for (let count = 0; count < TURNS; count += 1) {
    for (const [row, { argv }] of COMMANDS.entries()) {
      for (const [side, host] of hosts.entries()) times[row]?.[side]?.push(...turn(host, argv));
    }
  }
  for (const host of hosts) execFileSync('docker', ['-H', host, 'rm', '-f', KEEPER]);
  return COMMANDS.map(({ what, argv }, row): Row => {
    const [own = Number.NaN, other] = (times[row] ?? []).map(median);
    const goal = argv[0] === 'exec' ? EXEC_GOAL : RUN_GOAL;
    const ratio = other === undefined ? undefined : other / own;
    return {
      what,
      unit: 'ms',
      ours: own,
      other,
      otherName: other === undefined ? '' : 'dockerd',
      goal: `>= ${goal}x dockerd`,
      ratio,
      ok: ratio === undefined ? undefined : ratio >= goal,
    };
  });
}

if (import.meta.main) {
  const note = (text: string): void => {
    process.stderr.write(`bench: ${text}\n`);
  };
  printRows(await measureCommands(note), process.argv.includes('--json'));
}
