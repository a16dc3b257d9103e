// RUN --mount=type=bind of the context: the one thing that needs its files to be files. They are
// written below a folder of the build's own, from the list, directory by directory, so that no link
// in it is ever followed.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ContextNode, Found } from './context.ts';
import { walk } from './copy-plan.ts';
import type { BuildShared } from './shared.ts';

export type Materialized = {
  /** A directory, or one file. */
  readonly path: string;
  readonly digest: string;
};

export async function materialize(build: BuildShared, found: Found): Promise<Materialized> {
  const digest = digestOfTree(found.node);
  const path = join(build.folder, createHash('sha256').update(found.path).digest('hex'));
  await build.once(path, () => write(build, found.node, path));
  return { path, digest };
}

async function write(build: BuildShared, node: ContextNode, path: string): Promise<void> {
  if (node.kind === 'symlink') {
    await symlink(Buffer.from(node.link, 'latin1'), path);
    return;
  }
  if (node.kind === 'file') {
    const content = build.context.content(node);
    const source = content instanceof Buffer ? Readable.from([content]) : content;
    await pipeline(source, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    await chmod(path, node.mode);
    return;
  }
  // Devices and pipes of a context are nothing that a mount shows.
  if (node.kind !== 'dir') return;
  await mkdir(path, { mode: 0o700 });
  for (const [name, child] of node.children) {
    await write(build, child, join(path, Buffer.from(name, 'latin1').toString('utf8')));
  }
  await chmod(path, node.mode);
}

export function digestOfTree(node: ContextNode): string {
  const hash = createHash('sha256');
  for (const { path, node: each } of walk({ path: '', node })) {
    const { kind, mode, size, digest, link, major, minor } = each;
    const own = path === '' ? [kind] : [kind, mode, major, minor];
    hash.update(JSON.stringify([path, ...own, size, digest, link]));
  }
  return hash.digest('hex');
}
