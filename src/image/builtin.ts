// The busybox image that comes with the engine: made at build time from the machine's static
// busybox, as an archive that any `docker load` takes, and loaded into an empty store at first
// start.
import { createReadStream } from 'node:fs';
import { sha256 } from '#base/digest.ts';
import { errnoOf } from '#base/error.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { EMPTY_CONFIG, encodeImageSpec } from './config.ts';
import type { ImageDeps } from './deps.ts';
import { loadImages } from './load.ts';
import { hostPlatform } from './platform.ts';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const PASSWD = [
  'root:x:0:0:root:/root:/bin/sh',
  'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
  'bin:x:2:2:bin:/bin:/bin/false',
  'sys:x:3:3:sys:/dev:/bin/false',
  'sync:x:4:100:sync:/bin:/bin/sync',
  'mail:x:8:8:mail:/var/spool/mail:/bin/false',
  'www-data:x:33:33:www-data:/var/www:/bin/false',
  'operator:x:37:37:Operator:/var:/bin/false',
  'nobody:x:65534:65534:nobody:/home:/bin/false',
];
const GROUPS = [
  'root:x:0:',
  'daemon:x:1:',
  'bin:x:2:',
  'sys:x:3:',
  'adm:x:4:',
  'tty:x:5:',
  'disk:x:6:',
  'wheel:x:10:root',
  'mail:x:8:',
  'kmem:x:9:',
  'dialout:x:18:',
  'cdrom:x:19:',
  'audio:x:29:',
  'www-data:x:33:',
  'operator:x:37:',
  'utmp:x:43:',
  'video:x:28:',
  'plugdev:x:46:',
  'users:x:100:',
  'netdev:x:82:',
  'nobody:x:65534:',
];

function textFile(path: string, lines: readonly string[], mode = 0o644): EncodeItem {
  return { kind: 'file', path, mode, body: Buffer.from(`${lines.join('\n')}\n`) };
}

/** The layer's entries, sorted so that parents come first and the result is always the same. */
function* rootfs(busybox: Uint8Array, applets: readonly string[]): Generator<EncodeItem> {
  const dirs = [
    'bin',
    'dev',
    'etc',
    'home',
    'lib',
    'lib64',
    'proc',
    'root',
    'sys',
    'tmp',
    'usr',
    'usr/bin',
    'usr/sbin',
    'var',
    'var/spool',
    'var/spool/mail',
    'var/www',
  ];
  for (const path of dirs) {
    const nobody = path === 'home' ? 65_534 : 0;
    const mode = path === 'tmp' ? 0o1777 : path === 'root' ? 0o700 : 0o755;
    yield { kind: 'dir', path, mode, uid: nobody, gid: nobody };
  }
  yield { kind: 'file', path: 'bin/busybox', mode: 0o755, body: busybox };
  for (const name of applets) {
    if (name === 'busybox') continue;
    yield { kind: 'link', path: `bin/${name}`, linkPath: 'bin/busybox', mode: 0o755 };
  }
  // "#!/usr/bin/env sh" is how scripts start.
  yield { kind: 'symlink', path: 'usr/bin/env', linkPath: '../../bin/env', mode: 0o777 };
  yield textFile('etc/passwd', PASSWD);
  yield textFile('etc/group', GROUPS);
  const locked = PASSWD.map((line) => `${line.split(':', 1)[0]}:*:::::::`);
  yield textFile('etc/shadow', locked, 0o600);
  yield textFile('etc/nsswitch.conf', ['passwd: files', 'group: files', 'hosts: files dns']);
}

async function collectBytes(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

function* datedBy(items: Iterable<EncodeItem>, mtime: bigint): Generator<EncodeItem> {
  for (const item of items) yield { ...item, mtime };
}

/**
 * A `docker save` archive of busybox:latest; the same program and time (in nanoseconds) always give
 * the same bytes.
 */
export async function* busyboxArchive(
  busybox: Uint8Array,
  applets: readonly string[],
  created: bigint,
): AsyncGenerator<Uint8Array, void, undefined> {
  const files = datedBy(rootfs(busybox, [...applets].sort()), created);
  const layer = await collectBytes(encodeTar(files));
  const diffId = sha256(layer);
  const createdBy = 'BusyBox of the machine that built this engine';
  const config = encodeImageSpec({
    ...hostPlatform(),
    created,
    author: '',
    comment: '',
    dockerVersion: '',
    osVersion: '',
    config: { ...EMPTY_CONFIG, env: [PATH], cmd: ['sh'] },
    diffIds: [diffId],
    history: [{ created, createdBy, author: '', comment: '', emptyLayer: false }],
  });
  const path = (bytes: Uint8Array) => `blobs/sha256/${sha256(bytes).slice('sha256:'.length)}`;
  const manifest = [{ Config: path(config), RepoTags: ['busybox:latest'], Layers: [path(layer)] }];
  yield* encodeTar([
    { kind: 'file', path: path(layer), mode: 0o644, body: layer },
    { kind: 'file', path: path(config), mode: 0o644, body: config },
    {
      kind: 'file',
      path: 'manifest.json',
      mode: 0o644,
      body: Buffer.from(JSON.stringify(manifest)),
    },
  ]);
}

/** Loads the archive at `path` if the store is empty; false if there was nothing to do. */
export async function loadBuiltin(
  deps: ImageDeps,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (deps.store.size > 0) return false;
  try {
    await loadImages(deps, createReadStream(path), { signal, quiet: true });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false; // An engine that was built without it.
    throw error;
  }
}
