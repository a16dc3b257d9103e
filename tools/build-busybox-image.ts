// Writes the built-in busybox image (src/image/builtin.ts): tools/build-busybox-image.ts OUT
// [BUSYBOX]. The list of applets comes from the program itself, here at build time and not in the
// engine.
import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { busyboxArchive } from '#image/builtin.ts';

const [out = 'dist/busybox.tar', given] = process.argv.slice(2);
const busybox = [given, '/bin/busybox', '/usr/bin/busybox'].find(
  (path) => path !== undefined && existsSync(path),
);
if (busybox === undefined) {
  process.stderr.write('build-busybox-image: no static busybox; install busybox-static\n');
  process.exit(1);
}
const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' })
  .split('\n')
  .filter((name) => /^[A-Za-z0-9_.[-]+$/.test(name));
const archive = busyboxArchive(readFileSync(busybox), applets, createdAt(busybox));
await pipeline(Readable.from(archive), createWriteStream(`${out}.part`));
renameSync(`${out}.part`, out);

/**
 * In nanoseconds. The package's own time for its program, not now: what is built twice on one
 * machine is the same image. SOURCE_DATE_EPOCH is for who builds packages reproducibly
 * (reproducible-builds.org/specs/source-date-epoch).
 */
function createdAt(program: string): bigint {
  const wish = process.env['SOURCE_DATE_EPOCH'];
  if (wish !== undefined && !/^\d{1,10}$/.test(wish)) {
    process.stderr.write(`build-busybox-image: SOURCE_DATE_EPOCH is no number: ${wish}\n`);
    process.exit(1);
  }
  const seconds = wish === undefined ? Math.floor(statSync(program).mtimeMs / 1000) : Number(wish);
  return BigInt(seconds) * 1_000_000_000n;
}
