// A tar archive into a directory of a container: what each entry means is decided here, and done by
// the C process that is confined to the container's root. Unlike in a layer, names of whiteouts
// mean nothing, and a directory that is there already is kept with what is in it.
import { posix } from 'node:path';
import { EngineError, isEngineError } from '#base/error.ts';
import { splitLayerPath } from '#image/layer/path.ts';
import { keepsXattr } from '#image/layer/xattr.ts';
import type { TreeWriter } from '#runtime/visit.ts';
import { toText } from '#tar/binary-path.ts';
import { decompress } from '#tar/compression.ts';
import { decodeTar, type TarEntry } from '#tar/decode.ts';
import { partsOf } from './archive-path.ts';
import { capabilityToOutside, type IdShift } from './id-shift.ts';
import type { OpenVisit } from './visit.ts';

export type ExtractOptions = {
  /** As the container sees it, a binary string. */
  readonly directory: string;
  /** A directory and what is none do not replace each other. */
  readonly strict: boolean;
  /** Who gets all of it; undefined = who the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly ids: IdShift;
};

const LINK_BYTES_MAX = 4095;

export async function extractTree(
  visit: OpenVisit,
  body: AsyncIterable<Uint8Array>,
  options: ExtractOptions,
): Promise<void> {
  const { strict, directory } = options;
  await using tree = await visit.files.writer({ strict });
  async function* watched(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of decompress(body)) {
      visit.touch();
      yield chunk;
    }
  }
  try {
    for await (const entry of decodeTar(watched())) await extract(tree, entry, options);
    await tree.finish();
  } catch (error) {
    throw writeFailure(error, directory);
  }
}

async function extract(tree: TreeWriter, entry: TarEntry, options: ExtractOptions): Promise<void> {
  const parts = inside(entry.path, options);
  // The directory itself, which is there.
  if (parts.length === 0 && entry.kind === 'dir') return;
  if (parts.length === 0) throw new EngineError('corrupt', 'archive entry without a name');
  const path = below(options, parts);
  const meta = metaOf(entry, options);
  const { kind } = entry;
  switch (kind) {
    case 'dir':
      await tree.dir(path, meta);
      break;
    case 'file':
      await tree.file(path, meta, entry.size);
      for await (const piece of entry.body) {
        if (piece instanceof Uint8Array) await tree.data(piece);
        else await tree.hole(piece.hole);
      }
      break;
    case 'symlink':
      if (entry.linkPath === '' || entry.linkPath.length > LINK_BYTES_MAX) {
        throw new EngineError('corrupt', `invalid symlink ${JSON.stringify(toText(entry.path))}`);
      }
      await tree.symlink(path, entry.linkPath, meta);
      break;
    case 'link':
      await tree.link(path, below(options, linkParts(entry, options)));
      return; // one inode with the other entry, which has the attributes
    case 'char':
    case 'block':
    case 'fifo':
      await tree.node(path, kind, entry.major, entry.minor, meta);
      break;
    case 'other':
      throw new EngineError('corrupt', `unhandled tar header type ${entry.type.charCodeAt(0)}`);
    default:
      kind satisfies never;
  }
  // Last: chown(2) and write(2) clear file capabilities (capabilities(7)).
  for (const [name, value] of entry.xattrs) {
    if (!keepsXattr(name, kind)) continue;
    const isCapability = name === 'security.capability';
    await tree.xattr(
      path,
      name,
      isCapability ? capabilityToOutside(value, options.ids.root) : value,
    );
  }
}

function inside(name: string, { directory }: ExtractOptions): readonly string[] {
  const parts = partsOf(name);
  if (parts !== undefined) return splitLayerPath(parts.join('/'));
  const [shown, place] = [toText(name), toText(directory)].map((text) => JSON.stringify(text));
  throw new EngineError('invalid_argument', `${shown} is outside of ${place}`);
}

function linkParts(entry: TarEntry, { directory }: ExtractOptions): readonly string[] {
  const parts = partsOf(entry.linkPath);
  if (parts !== undefined && parts.length > 0) return parts;
  const leadsTo = posix.join(directory, entry.linkPath);
  const [link, to] = [leadsTo, entry.linkPath].map((text) => JSON.stringify(toText(text)));
  throw new EngineError('invalid_argument', `invalid hardlink ${link} -> ${to}`);
}

function below({ directory }: ExtractOptions, parts: readonly string[]): string {
  return `${directory === '/' ? '' : directory}/${parts.join('/')}`;
}

function metaOf(entry: TarEntry, { owner, ids }: ExtractOptions) {
  const { uid, gid } = owner ?? { uid: ids.toOutside(entry.uid), gid: ids.toOutside(entry.gid) };
  return { mode: entry.mode, uid, gid, mtime: entry.mtime };
}

/** What the kernel said, in dockerd's words where it has some. */
function writeFailure(error: unknown, directory: string): unknown {
  if (!isEngineError(error, 'kernel_refused')) return error;
  const { errno, path } = error.facts;
  const [where, place] = [String(path), directory].map((text) => JSON.stringify(toText(text)));
  const refuse = (code: 'invalid_argument' | 'forbidden', text: string): EngineError =>
    new EngineError(code, text, { cause: error });
  switch (errno) {
    case 'OVER_DIRECTORY':
      return refuse(
        'invalid_argument',
        `cannot overwrite directory ${where} with non-directory ${place}`,
      );
    case 'OVER_FILE':
      return refuse(
        'invalid_argument',
        `cannot overwrite non-directory ${where} with directory ${place}`,
      );
    case 'EROFS':
      return refuse('forbidden', `cannot write ${where}: read-only file system`);
    default:
      return error;
  }
}
