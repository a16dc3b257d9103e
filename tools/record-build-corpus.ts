// Writes down what comes of the corpus of Dockerfiles (test/compat/build-corpus): of the cases that
// dockerd's classic builder knows, by a dockerd of its own; of the others by this engine, to be
// read by whoever changes them. tools/record-build-corpus.ts dockerd|own
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerd } from '../bench/dockerd.ts';
import { CASES, type Expected, loadBase, runCorpus } from '../test/fixture/build-corpus.ts';
import { startEngine } from './private-engine.ts';
import { ROOT } from './source.ts';

const FOLDER = join(ROOT, 'test/compat/build-corpus');
const BIOME = join(ROOT, `node_modules/@biomejs/cli-linux-${process.arch}/biome`);
const CONCURRENCY = 6;

function write(name: string, found: ReadonlyMap<string, Expected>): void {
  const sorted = CASES.flatMap((one) => {
    const outcome = found.get(one.name);
    return outcome === undefined ? [] : [[one.name, outcome] as const];
  });
  const path = join(FOLDER, name);
  writeFileSync(path, JSON.stringify(Object.fromEntries(sorted), null, 2));
  execFileSync(BIOME, ['format', '--write', path], { stdio: 'ignore' });
}

if (process.argv[2] === 'dockerd') {
  const directory = `/tmp/coracle-bench-dockerd-${process.pid}`;
  const places = { directory, execRoot: `/run/bench-build-${process.pid}` };
  await using dockerd = await startDockerd(places);
  if (dockerd === undefined) throw new Error('there is no dockerd');
  await loadBase(dockerd.host);
  const cases = CASES.filter(({ differs }) => differs === undefined);
  write('dockerd-20.10.json', await runCorpus(dockerd.socket, cases, CONCURRENCY));
} else {
  await using engine = await startEngine();
  await loadBase(engine.host);
  const cases = CASES.filter(({ differs }) => differs !== undefined);
  write('own.json', await runCorpus(engine.socket, cases, CONCURRENCY));
}
