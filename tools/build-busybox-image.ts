// Writes the built-in busybox image (src/image/builtin.ts): tools/build-busybox-image.ts OUT
// [BUSYBOX]. The list of applets comes from the program itself, here at build time and not in the
// engine.
import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync, renameSync } from 'node:fs';
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
const archive = busyboxArchive(readFileSync(busybox), applets);
await pipeline(Readable.from(archive), createWriteStream(`${out}.part`));
renameSync(`${out}.part`, out);
