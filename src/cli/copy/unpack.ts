// A tar stream of a container into a local directory. It may say anything, so nothing is written
// outside of that directory: names do not climb, and no directory on the way may be a link. Owners
// are whoever runs the command, as with docker; devices are told, not made.
import type { Stats } from 'node:fs';
import { chmod, link, lstat, lutimes, mkdir, open, rm, symlink, utimes } from 'node:fs/promises';
import { errnoOf } from '#base/error.ts';
import { toText } from '#tar/binary-path.ts';
import { decodeTar, type TarEntry } from '#tar/decode.ts';
import { CliError } from '../command.ts';
import { reasonOf } from '../create/kv-file.ts';
import { type Prepared, rename } from './place.ts';

const SLASH = Buffer.from('/');
const NANOSECONDS = 1e9;

export async function unpack(
  stream: AsyncIterable<Uint8Array>,
  { directory, from, to }: Prepared,
  warn: (text: string) => void,
): Promise<void> {
  const tree = new LocalTree(directory, warn);
  for await (const entry of decodeTar(stream)) {
    const names = {
      from: Buffer.from(from).toString('latin1'),
      to: Buffer.from(to).toString('latin1'),
    };
    const path = rename(entry.path, names);
    const linkPath = entry.kind === 'link' ? rename(entry.linkPath, names) : entry.linkPath;
    await tree.write({ ...entry, path, linkPath });
  }
  await tree.finish();
}

class LocalTree {
  readonly #root: Buffer;
  readonly #rootText: string;
  readonly #warn: (text: string) => void;
  readonly #directories: { readonly path: Buffer; readonly entry: TarEntry }[] = [];

  constructor(root: string, warn: (text: string) => void) {
    this.#rootText = root;
    this.#root = Buffer.from(root);
    this.#warn = warn;
  }

  async write(entry: TarEntry): Promise<void> {
    const parts = this.#parts(entry.path);
    if (parts.length === 0) return; // the directory itself, which is there
    await this.#checkParents(parts);
    const path = this.#at(parts);
    const there = await lstatOrNothing(path);
    this.#checkKind(there, entry, path);
    if (there !== undefined && !there.isDirectory()) await rm(path);
    try {
      await this.#make(entry, path, there?.isDirectory() ?? false);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      throw new CliError(1, `cannot write ${path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  #parts(name: string): readonly string[] {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (!parts.includes('..')) return parts;
    const [shown, place] = [toText(name), this.#rootText].map((text) => JSON.stringify(text));
    throw new CliError(1, `${shown} is outside of ${place}`);
  }

  #at(parts: readonly string[]): Buffer {
    return Buffer.concat([
      this.#root,
      ...parts.flatMap((part) => [SLASH, Buffer.from(part, 'latin1')]),
    ]);
  }

  /** Made where missing; a link among them would lead out. */
  async #checkParents(parts: readonly string[]): Promise<void> {
    for (let count = 1; count < parts.length; count += 1) {
      const path = this.#at(parts.slice(0, count));
      const stat = await lstatOrNothing(path);
      if (stat === undefined) await mkdir(path, 0o755);
      else if (!stat.isDirectory()) throw new CliError(1, `${path} is not a directory`);
    }
  }

  #checkKind(there: Stats | undefined, entry: TarEntry, path: Buffer): void {
    if (there === undefined || there.isDirectory() === (entry.kind === 'dir')) return;
    const [where, place] = [path.toString(), this.#rootText].map((text) => JSON.stringify(text));
    const text = there.isDirectory()
      ? `cannot overwrite directory ${where} with non-directory ${place}`
      : `cannot overwrite non-directory ${where} with directory ${place}`;
    throw new CliError(1, text);
  }

  async #make(entry: TarEntry, path: Buffer, isThere: boolean): Promise<void> {
    const { kind } = entry;
    switch (kind) {
      case 'dir':
        if (!isThere) await mkdir(path, 0o700);
        this.#directories.push({ path, entry });
        return;
      case 'file':
        return writeFile(entry, path);
      case 'symlink':
        await symlink(Buffer.from(entry.linkPath, 'latin1'), path);
        return lutimes(path, ...times(entry));
      case 'link': {
        const parts = this.#parts(entry.linkPath);
        await this.#checkParents(parts);
        return link(this.#at(parts), path);
      }
      case 'char':
      case 'block':
      case 'fifo':
        this.#warn(
          `${path}: a device or pipe is not made here; "-" as the target gives it in a tar`,
        );
        return;
      case 'other':
        throw new CliError(1, `unhandled tar header type ${entry.type.charCodeAt(0)}`);
      default:
        kind satisfies never;
    }
  }

  /**
   * Modes and times of directories last: what is put into them needs the one and changes the other.
   */
  async finish(): Promise<void> {
    for (const { path, entry } of this.#directories.toReversed()) {
      await chmod(path, entry.mode);
      await utimes(path, ...times(entry));
    }
  }
}

function times({ mtime }: TarEntry): readonly [atime: number, mtime: number] {
  const seconds = Number(mtime) / NANOSECONDS;
  return [seconds, seconds];
}

async function writeFile(entry: TarEntry, path: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    let at = 0;
    for await (const piece of entry.body) {
      if (!(piece instanceof Uint8Array)) at += piece.hole;
      else {
        await file.write(piece, 0, piece.length, at);
        at += piece.length;
      }
    }
    await file.truncate(entry.size);
    await file.chmod(entry.mode);
    await file.utimes(...times(entry));
  } finally {
    await file.close();
  }
}

async function lstatOrNothing(path: Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
