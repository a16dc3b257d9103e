// RUN --mount=type=bind of the context: the one thing that needs its files to be files. They are
// written below a folder of the build's own, from the list, directory by directory, so that no link
// in it is ever followed.
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Context, ContextNode, Found } from './context.ts';
import { walk } from './copy-plan.ts';
import type { BuildShared } from './shared.ts';

export type Materialized = {
  /** A directory, or one file. */
  readonly path: string;
  readonly digest: string;
};

/** `ofItsOwn`: it will be written to, which no other step sees. */
export async function materialize(
  build: BuildShared,
  context: Context,
  found: Found,
  { ofItsOwn }: { readonly ofItsOwn: boolean },
): Promise<Materialized> {
  const digest = digestOfTree(found.node, true);
  const id = `${context.path}\0${found.path}`;
  const name = ofItsOwn ? randomUUID() : createHash('sha256').update(id).digest('hex');
  const path = join(build.folder, name);
  await build.once(path, () => write(context, found.node, path));
  return { path, digest };
}

/** Names are bytes, which need not be UTF-8. */
async function write(
  context: Context,
  node: ContextNode,
  path: string | Buffer<ArrayBuffer>,
): Promise<void> {
  if (node.kind === 'symlink') {
    await symlink(Buffer.from(node.link, 'latin1'), path);
    return;
  }
  if (node.kind === 'file') {
    const target = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    await pipeline(context.content(node), target);
    await chmod(path, node.mode);
    return;
  }
  // Devices and pipes of a context are nothing that a mount shows.
  if (node.kind !== 'dir') return;
  await mkdir(path, { mode: 0o700 });
  for (const [name, child] of node.children) {
    const parts = [Buffer.from(path), Buffer.from('/'), Buffer.from(name, 'latin1')];
    await write(context, child, Buffer.concat(parts));
  }
  await chmod(path, node.mode);
}

/** `withRoot`: the attributes of the directory itself count, too. */
export function digestOfTree(root: ContextNode, withRoot = false): string {
  const hash = createHash('sha256');
  for (const { path, node } of walk({ path: '', node: root })) {
    const { kind, mode, size, digest, link, major, minor, xattrs } = node;
    const isTarget = path === '' && kind === 'dir' && !withRoot;
    const more = [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('latin1')]);
    const own = isTarget ? [kind] : [kind, mode, major, minor, more];
    hash.update(JSON.stringify([path, ...own, size, digest, link]));
  }
  return hash.digest('hex');
}
