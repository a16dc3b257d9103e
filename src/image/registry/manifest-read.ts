// GET and HEAD of manifests. Their bytes are what everything else is trusted by, so the digest is
// always computed here and never believed.
import { createHash } from 'node:crypto';
import { type Digest, isDigest, sha256 } from '#base/digest.ts';
import { isIndexType, isManifestType, MANIFEST_BYTES_MAX, MEDIA } from '../manifest.ts';
import { familiarName, familiarReference, type Reference } from '#base/reference.ts';
import { pullError } from './error-body.ts';
import { type Answer, discard, fieldOf, readBody } from './http.ts';
import type { Target } from './protocol.ts';
import { type Place, type Reader, refusedBy } from './reader.ts';
import type { FetchedManifest, ManifestHead, TransferOptions } from './registry.ts';
import { TransferError } from './retry.ts';
import { manifestUrl } from './url.ts';

const ACCEPT = [
  MEDIA.ociIndex,
  MEDIA.ociManifest,
  MEDIA.dockerList,
  MEDIA.dockerManifest,
  'application/json;q=0.5',
].join(', ');
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
const ALGORITHMS = /^(sha256|sha384|sha512):([0-9a-f]+)$/;

export async function readManifest(
  reader: Reader,
  target: Target,
  digest: Digest | undefined,
  options: TransferOptions,
): Promise<FetchedManifest> {
  const name = digest === undefined ? target.name : { ...target.name, digest };
  return inPullWords(name, () =>
    reader.read(target, options, (place) => fetchManifest(reader, place, name, options.signal)),
  );
}

export async function headManifest(
  reader: Reader,
  target: Target,
  options: TransferOptions,
): Promise<ManifestHead> {
  const { name } = target;
  return inPullWords(name, () =>
    reader.read(target, options, async (place) => {
      const { signal } = options;
      const answer = await askManifest(reader, place, { name, method: 'HEAD', signal });
      await discard(answer);
      const digest = fieldOf(answer, 'docker-content-digest');
      const length = Number(fieldOf(answer, 'content-length'));
      const mediaType = mediaTypeOf(answer);
      const known = isDigest(digest) && Number.isSafeInteger(length) && isKnown(mediaType);
      const asked = name.digest === undefined || name.digest === digest;
      if (answer.status === 200 && known && asked) return { digest, size: length, mediaType };
      if (answer.status === 404 || answer.status === 401) throw headRefusal(answer.status);
      // Some registries do not know HEAD here, leave the digest out or have another kind of it.
      const manifest = await fetchManifest(reader, place, name, signal);
      return {
        digest: manifest.digest,
        size: manifest.bytes.length,
        mediaType: manifest.mediaType,
      };
    }),
  );
}

/** HEAD has no body that says why. */
function headRefusal(status: 401 | 404): TransferError {
  return status === 404
    ? new TransferError('not_found', 'manifest unknown: manifest unknown', {
        retry: 'never',
        facts: { status, registryCode: 'MANIFEST_UNKNOWN' },
      })
    : new TransferError('unauthorized', 'unauthorized: authentication required', {
        retry: 'never',
        facts: { status, registryCode: 'UNAUTHORIZED' },
      });
}

async function inPullWords<T>(name: Reference, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    throw pullError(error, { name: familiarName(name), reference: familiarReference(name) });
  }
}

function askManifest(
  reader: Reader,
  place: Place,
  wish: { readonly name: Reference; readonly method: 'GET' | 'HEAD'; readonly signal: AbortSignal },
): Promise<Answer> {
  const { name, method, signal } = wish;
  const url = manifestUrl(place, name.digest ?? name.tag ?? '');
  return reader.sites.ask(place.site, place.access, {
    method,
    url,
    headers: { accept: ACCEPT },
    signal,
  });
}

async function fetchManifest(
  reader: Reader,
  place: Place,
  name: Reference,
  signal: AbortSignal,
): Promise<FetchedManifest> {
  const answer = await askManifest(reader, place, { name, method: 'GET', signal });
  if (answer.status !== 200) throw await refusedBy(answer);
  const bytes = await readBody(answer, { what: 'manifest', max: MANIFEST_BYTES_MAX, signal });
  for (const digest of [name.digest, fieldOf(answer, 'docker-content-digest')]) {
    checkDigest(bytes, digest, place);
  }
  return { bytes, digest: sha256(bytes), mediaType: checkedType(bytes, answer, name) };
}

/** What cannot be compared (no digest, an unknown algorithm) is not; the name's own always can. */
function checkDigest(bytes: Uint8Array, expected: string | undefined, { site }: Place): void {
  const [, algorithm = '', hex = ''] = ALGORITHMS.exec(expected ?? '') ?? [];
  if (algorithm === '' || createHash(algorithm).update(bytes).digest('hex') === hex) return;
  throw new TransferError(
    'corrupt',
    `manifest verification failed for digest ${expected}: registry ${site.source.host} sent other content`,
    { retry: 'always', facts: { expected, actual: sha256(bytes) } },
  );
}

const isKnown = (type: string): boolean => isManifestType(type) || isIndexType(type);

function mediaTypeOf(answer: Answer): string {
  const field = fieldOf(answer, 'content-type') ?? '';
  return (field.split(';')[0] ?? '').trim().toLowerCase();
}

/** The media type of the answer, or of the manifest itself where a server says nothing useful. */
function checkedType(bytes: Uint8Array, answer: Answer, name: Reference): string {
  const type = mediaTypeOf(answer);
  if (isKnown(type)) return type;
  const own = fieldsOf(bytes);
  if (SCHEMA_1.test(type) || own.get('schemaVersion') === 1) throw schema1Error(name);
  const inner = own.get('mediaType');
  if (typeof inner === 'string' && isKnown(inner)) return inner;
  if (Array.isArray(own.get('manifests'))) return MEDIA.ociIndex;
  if (own.has('layers') && own.has('config')) return MEDIA.ociManifest;
  throw new TransferError('corrupt', `unsupported manifest media type: ${type || 'none'}`, {
    retry: 'never',
    facts: { mediaType: type },
  });
}

function fieldsOf(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  try {
    const raw: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return new Map(typeof raw === 'object' && raw !== null ? Object.entries(raw) : []);
  } catch {
    return new Map();
  }
}

function schema1Error(name: Reference): TransferError {
  return new TransferError(
    'not_implemented',
    `Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported. Suggest the author of ${familiarReference(name)} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2`,
    { retry: 'never' },
  );
}
