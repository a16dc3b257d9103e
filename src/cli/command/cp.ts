// cp: files between a container and this side, or as a tar through "-".
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { formatSize } from '#base/bytes.ts';
import { isEngineError } from '#base/error.ts';
import type { EngineClient } from '#client/client.ts';
import { pathStat } from '#client/path-stat.ts';
import type { ContainerPathStat } from '#wire/archive.ts';
import { CliError, type Context } from '../command.ts';
import { pack } from '../copy/pack.ts';
import {
  type CopyInfo,
  localPath,
  localSource,
  localTarget,
  parsePlace,
  type Place,
  prepare,
  rebased,
  splitEntry,
} from '../copy/place.ts';
import { unpack } from '../copy/unpack.ts';

/** Bits of Go's os.FileMode. */
const MODE_DIRECTORY = 2 ** 31;
const MODE_LINK = 2 ** 27;
const MODE_DEVICE = 2 ** 26;

export async function run({ flags, args, client }: Context): Promise<number> {
  const [source = '', target = ''] = args;
  if (source === '') throw new CliError(1, 'source can not be empty');
  if (target === '') throw new CliError(1, 'destination can not be empty');
  const [from, to] = [parsePlace(source), parsePlace(target)];
  if (from.container !== '' && to.container !== '') {
    throw new CliError(1, 'copying between containers is not supported');
  }
  if (from.container === '' && to.container === '') {
    throw new CliError(1, 'must specify at least one container source');
  }
  const quiet = flags.bool('quiet') || process.stderr.isTTY !== true;
  const follow = flags.bool('follow-link');
  const done =
    from.container !== ''
      ? await copyOut(client, from, to.path, follow)
      : await copyIn(client, from.path, to, { follow, archive: flags.bool('archive') });
  if (!quiet && done !== undefined) {
    process.stderr.write(`Successfully copied ${formatSize(done.bytes)} to ${done.place}\n`);
  }
  return 0;
}

type Done = { readonly bytes: number; readonly place: string } | undefined;

const pathOf = ({ container }: Place): string =>
  `/containers/${encodeURIComponent(container)}/archive`;

async function statPath(client: EngineClient, place: Place): Promise<ContainerPathStat> {
  const reply = await client.call('HEAD', pathOf(place), { query: { path: place.path } });
  reply.body.resume();
  return pathStat(reply);
}

const has = (mode: number, bit: number): boolean => Math.floor(mode / bit) % 2 === 1;

/** Undefined when there is nothing; what else is wrong with it will be told by the copy itself. */
async function statOrNothing(
  client: EngineClient,
  place: Place,
): Promise<ContainerPathStat | undefined> {
  try {
    return await statPath(client, place);
  } catch (error) {
    if (isEngineError(error)) return undefined;
    throw error;
  }
}

async function copyOut(
  client: EngineClient,
  from: Place,
  to: string,
  follow: boolean,
): Promise<Done> {
  let { path } = from;
  let rebase = '';
  if (follow) {
    const stat = await statOrNothing(client, from);
    if (stat !== undefined && has(stat.mode, MODE_LINK)) {
      [path, rebase] = rebased(path, stat.linkTarget);
    }
  }
  const target = to === '-' ? undefined : localTarget(localPath(to));
  const reply = await client.call('GET', pathOf(from), { query: { path } });
  if (target === undefined) {
    await pipeline(reply.body, process.stdout, { end: false });
    return undefined;
  }
  const stat = pathStat(reply);
  const source: CopyInfo = {
    path,
    exists: true,
    isDirectory: has(stat.mode, MODE_DIRECTORY),
    rebase,
  };
  const prepared = prepare(source, target);
  const own = splitEntry(path)[1];
  const counted = { bytes: 0 };
  const chunks = count(reply.body, counted);
  const plan =
    rebase === '' || prepared.to !== ''
      ? { ...prepared, from: prepared.to === '' ? '' : own }
      : { ...prepared, from: own, to: rebase };
  await unpack(chunks, plan, (text) => process.stderr.write(`${text}\n`));
  return { bytes: counted.bytes, place: target.path };
}

async function* count(
  source: AsyncIterable<Uint8Array>,
  counted: { bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    counted.bytes += chunk.length;
    yield chunk;
  }
}

async function copyIn(
  client: EngineClient,
  from: string,
  to: Place,
  options: { readonly follow: boolean; readonly archive: boolean },
): Promise<Done> {
  const target = await targetOf(client, to);
  let directory = target.path;
  let stream: Readable;
  const counted = { bytes: 0 };
  if (from === '-') {
    if (!target.isDirectory) {
      throw new CliError(1, `destination "${to.container}:${to.path}" must be a directory`);
    }
    stream = process.stdin;
  } else {
    const source = localSource(localPath(from), options.follow);
    const prepared = prepare(source, target);
    ({ directory } = prepared);
    stream = Readable.from(count(pack(source, prepared), counted), { objectMode: false });
  }
  const query = { path: directory, noOverwriteDirNonDir: true, copyUIDGID: options.archive };
  await client.done('PUT', pathOf(to), { query, stream });
  return { bytes: counted.bytes, place: `${to.container}:${target.path}` };
}

/** A link is followed once more: to where it leads. */
async function targetOf(client: EngineClient, to: Place): Promise<CopyInfo> {
  let { path } = to;
  let stat = await statOrNothing(client, to);
  if (stat !== undefined && has(stat.mode, MODE_LINK)) {
    path = stat.linkTarget;
    stat = await statOrNothing(client, { ...to, path });
  }
  if (stat !== undefined && has(stat.mode, MODE_DEVICE)) {
    const what = 'must be a directory or a regular file';
    throw new CliError(1, `destination "${to.container}:${to.path}" ${what}: got a device`);
  }
  const isDirectory = stat !== undefined && has(stat.mode, MODE_DIRECTORY);
  return { path, exists: stat !== undefined, isDirectory, rebase: '' };
}
