// A context in one file, as docker exports it: meta.json, and tls/docker/*.pem where it has any.
import { Readable } from 'node:stream';
import { EngineError } from '#base/error.ts';
import { decodeTar, type TarEntry } from '#tar/decode.ts';
import { type EncodeItem, encodeTar, paddingOf, TRAILER } from '#tar/encode.ts';
import { CONTEXT_BYTES_MAX, type ContextContent, parseContext, type TlsContents } from './store.ts';

/** As docker has it. */
const ARCHIVE_BYTES_MAX = 10 * 1024 * 1024;
const META = 'meta.json';
const TLS_FILE = /^tls\/docker\/(ca|cert|key)\.pem$/;

export function packContext(meta: string, tls: TlsContents): Readable {
  const file = (path: string, body: Buffer, mode: number): EncodeItem => ({
    ...{ kind: 'file', path, mode, size: body.length, body },
  });
  const pems = Object.entries(tls).map(([kind, body]) =>
    file(`tls/docker/${kind}.pem`, body, 0o600),
  );
  const folders: EncodeItem[] = ['tls', 'tls/docker'].map((path) => ({
    ...{ kind: 'dir', path, mode: 0o700 },
  }));
  const items = [
    file(META, Buffer.from(meta), 0o644),
    ...(pems.length > 0 ? folders : []),
    ...pems,
  ];
  return Readable.from(encodeTar(items));
}

export async function unpackContext(
  archive: AsyncIterable<Uint8Array>,
): Promise<ContextContent & { readonly tls: TlsContents }> {
  let meta: Buffer | undefined;
  const tls: Record<string, Buffer> = {};
  for await (const entry of decodeTar(completed(archive))) {
    if (entry.kind !== 'file') continue;
    const pem = TLS_FILE.exec(entry.path)?.[1];
    if (entry.path === META) meta = await bytesOf(entry);
    else if (pem !== undefined) tls[pem] = await bytesOf(entry);
  }
  if (meta === undefined) throw wrong('it has no meta.json');
  try {
    return { ...parseContext(JSON.parse(meta.toString())), tls };
  } catch (cause) {
    throw wrong(`its meta.json: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/**
 * docker does not end its archive: the last block is not full, and the two of zeros are missing.
 */
async function* completed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    if (bytes > ARCHIVE_BYTES_MAX) throw wrong(`it is larger than ${ARCHIVE_BYTES_MAX} bytes`);
    yield piece;
  }
  yield paddingOf(bytes);
  yield TRAILER;
}

async function bytesOf({ body, path, size }: TarEntry): Promise<Buffer> {
  if (size > CONTEXT_BYTES_MAX) throw wrong(`${path} is larger than ${CONTEXT_BYTES_MAX} bytes`);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) {
    pieces.push(piece instanceof Uint8Array ? piece : Buffer.alloc(piece.hole));
  }
  return Buffer.concat(pieces);
}

function wrong(reason: string): EngineError {
  return new EngineError('corrupt', `this is no exported context: ${reason}`);
}
