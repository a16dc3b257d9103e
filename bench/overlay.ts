// What the union file system costs a container that writes: the same dd in a container (in
// its root after copy-up, in a volume, in a root with a size) and on the bare file system below it,
// in an overlay that is mounted by hand without us, in turn; and what the first write to a big file
// of an image takes. What the kernel's overlay costs is not ours: the root is held to 5 % of the
// one by hand. `node bench/overlay.ts`, root.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEngine } from '../tools/private-engine.ts';
import { median } from './measure.ts';

const FILE_MIB = 64;
const ROUNDS = 5;
const COPIES = 3;
/** Over the bare file system, and of the root over an overlay by hand, after copy-up. */
const OVERHEAD_GOAL = 1.05;

const KINDS = [
  { name: '64k writes', args: ['bs=64k', `count=${FILE_MIB * 16}`] },
  { name: '4k writes', args: ['bs=4k', `count=${FILE_MIB * 256}`] },
  { name: '1m writes, O_DIRECT', args: ['bs=1M', `count=${FILE_MIB}`, 'oflag=direct'] },
  { name: '1m writes and fsync', args: ['bs=1M', `count=${FILE_MIB}`, 'conv=notrunc,fsync'] },
] as const;

await using engine = await startEngine();
await using parts = new AsyncDisposableStack();
// Containers outlive their engine.
parts.defer(() => {
  const ids = docker('ps', '-aq').split('\n');
  docker('rm', '-f', '-v', ...ids);
});
const docker = (...argv: string[]): string =>
  execFileSync('docker', argv, { env: engine.env, encoding: 'utf8' }).trim();

/** Seconds, as dd itself says. */
function seconds(argv: readonly string[]): number {
  const [program = '', ...rest] = argv;
  const { stderr } = spawnSync(program, rest, { env: engine.env, encoding: 'utf8' });
  const found = / copied, ([0-9.e-]+) s, /.exec(stderr)?.[1];
  if (found === undefined) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return Number(found);
}

function dd(path: string, args: readonly string[]): string[] {
  const more = args.some((each) => each.startsWith('conv=')) ? [] : ['conv=notrunc'];
  return ['dd', 'if=/dev/zero', `of=${path}`, ...args, ...more];
}

function taken(run: () => unknown): number {
  const before = performance.now();
  run();
  return (performance.now() - before) / 1000;
}

const scratch = join(engine.directory, 'data/bare');
mkdirSync(scratch);
importBig();
const byHand = mountByHand();
docker('run', '-d', '--name', 'plain', '-v', 'vol:/vol', 'big', '/bin/sleep', '10000');
docker('run', '-d', '--name', 'sized', '--storage-opt', 'size=1g', 'big', '/bin/sleep', '10000');

const PLACES = {
  bare: (args: readonly string[]) => dd(join(scratch, 'f'), args),
  'by hand': (args: readonly string[]) => dd(join(byHand, 'big'), args),
  root: (args: readonly string[]) => ['docker', 'exec', 'plain', ...dd('/big', args)],
  volume: (args: readonly string[]) => ['docker', 'exec', 'plain', ...dd('/vol/f', args)],
  'sized root': (args: readonly string[]) => ['docker', 'exec', 'sized', ...dd('/big', args)],
} as const;
const NAMES = Object.keys(PLACES) as (keyof typeof PLACES)[];

for (const { name, args } of KINDS) {
  const found = new Map(NAMES.map((place) => [place, [] as number[]]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const place of NAMES) {
      const took = seconds(PLACES[place](args));
      if (round >= 0) found.get(place)?.push(took); // the first copies up
    }
  }
  const bare = median(found.get('bare') ?? []);
  const hand = median(found.get('by hand') ?? []);
  for (const place of NAMES) {
    const took = median(found.get(place) ?? []);
    const ratio = took / bare;
    const rate = (FILE_MIB / took).toFixed(0).padStart(6);
    const best = place.endsWith('root') ? Math.min(ratio, took / hand) : ratio;
    const verdict =
      place === 'bare' || place === 'by hand' ? '' : best <= OVERHEAD_GOAL ? 'ok' : 'over';
    const ratios = `${ratio.toFixed(2)}x bare, ${(took / hand).toFixed(2)}x by hand`;
    const line = `${name.padEnd(20)} ${place.padEnd(11)} ${rate} MiB/s  ${ratios}`;
    process.stdout.write(`${line} ${verdict}\n`);
  }
}

const firsts: number[] = [];
const copies: number[] = [];
for (let round = 0; round < COPIES; round += 1) {
  const name = `first${round}`;
  docker('run', '-d', '--name', name, 'big', '/bin/sleep', '10000');
  // The copy is made when the file is opened, before dd looks at the clock.
  const write = () => docker('exec', name, ...dd('/big', ['bs=4k', 'count=1']));
  const first = taken(write);
  firsts.push(first - taken(write));
  copies.push(taken(() => execFileSync('cp', [join(scratch, 'f'), join(scratch, 'g')])));
  rmSync(join(scratch, 'g'));
  docker('rm', '-f', name);
}
const text = (value: number): string => `${(value * 1000).toFixed(0)} ms`;
process.stdout.write(
  `first write to a file of ${FILE_MIB} MiB of the image: ${text(median(firsts))} ` +
    `(a plain copy of as much: ${text(median(copies))})\n`,
);

/** An overlay on the same file system with a file to copy up. */
function mountByHand(): string {
  const [lower, upper, work, root] = ['lower', 'upper', 'work', 'root'].map((name) => {
    const path = join(engine.directory, 'data/by-hand', name);
    mkdirSync(path, { recursive: true });
    return path;
  }) as [string, string, string, string];
  execFileSync('sh', ['-c', `( yes coracle || true ) | head -c ${FILE_MIB}M > ${lower}/big`]);
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, root]);
  parts.defer(() => {
    execFileSync('umount', [root]);
  });
  return root;
}

/** dd with its libraries, busybox, and one file that is neither sparse nor small. */
function importBig(): void {
  const tree = join(engine.directory, 'tree');
  mkdirSync(join(tree, 'bin'), { recursive: true });
  const script = `
    cp "$(command -v busybox)" "$(command -v dd)" bin/ && ln -s busybox bin/sleep &&
    cp --parents -L $(ldd "$(command -v dd)" | grep -o '/[^ ]*') . &&
    ( yes coracle || true ) | head -c ${FILE_MIB}M > big &&
    tar -c . | docker import -c "ENV PATH=/bin" - big`;
  execFileSync('sh', ['-c', script], { cwd: tree, env: engine.env, stdio: 'pipe' });
  rmSync(tree, { recursive: true });
}
