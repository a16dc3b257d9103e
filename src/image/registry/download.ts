// One blob into its file, from wherever it can be had, by as many requests as that takes.
import { type Answer, chunksOf, discard, fieldOf } from './http.ts';
import { PROGRESS_BYTES_MIN, WRONG_CONTENT_MAX } from './limit.ts';
import { PartialFile } from './partial.ts';
import type { Target } from './protocol.ts';
import { parseContentRange } from './range.ts';
import type { ByteRate } from './rate.ts';
import { type Place, type Reader, refusedBy } from './reader.ts';
import type { BlobName, TransferOptions } from './registry.ts';
import { TransferError } from './retry.ts';
import { blobUrl } from './url.ts';

type Work = {
  readonly reader: Reader;
  readonly rate: ByteRate;
  readonly target: Target;
  readonly blob: BlobName;
  readonly options: TransferOptions;
};

export async function download(work: Work, file: string): Promise<void> {
  const { reader, target, blob, options } = work;
  using partial = await PartialFile.open(file, blob.size, options.signal);
  options.onProgress?.(partial.have);
  if (await isWhole(partial, blob)) return;
  let attempt = 0;
  let wrong = 0;
  for (;;) {
    const before = partial.have;
    try {
      await reader.pass(target, options.signal, (place) => fetchRest(work, place, partial));
      options.onProgress?.(partial.have);
      return;
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      if (error.code === 'corrupt') wrong += 1;
      if (wrong >= WRONG_CONTENT_MAX) throw error;
      attempt = partial.have - before >= PROGRESS_BYTES_MIN ? 1 : attempt + 1;
      await reader.waitAfter(error, attempt, options);
    }
  }
}

/** A file that is as long as its blob is the blob, or nothing. */
async function isWhole(partial: PartialFile, { digest, size }: BlobName): Promise<boolean> {
  if (partial.have !== size) return false;
  if (partial.digest() === digest) return true;
  partial.restart();
  return false;
}

/** What one source has of the rest of it. */
async function fetchRest(work: Work, place: Place, partial: PartialFile): Promise<void> {
  const { blob } = work;
  await fetchOnce(work, place, partial);
  if (partial.have < blob.size) throw endedEarly(blob, partial.have);
  const actual = partial.digest();
  if (actual === blob.digest) return;
  partial.restart();
  throw wrongDigest(blob, actual, place.source.host);
}

async function fetchOnce(work: Work, place: Place, partial: PartialFile): Promise<void> {
  const { reader, rate, blob, options } = work;
  const { signal } = options;
  const from = partial.have;
  const answer = await reader.sites.ask(place.site, place.access, {
    method: 'GET',
    url: blobUrl(place, blob.digest),
    // Without it some servers send a compressed form, whose bytes are not the blob's.
    headers: { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    signal,
  });
  let skip = await bytesToSkip(answer, { blob, partial, host: place.source.host });
  for await (const chunk of chunksOf(answer, signal)) {
    const rest = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - rest.length;
    if (partial.have + rest.length > blob.size) {
      partial.restart();
      throw wrongLength(blob, `more than ${blob.size}`, place.source.host);
    }
    partial.append(rest);
    options.onProgress?.(partial.have);
    const { length } = chunk;
    release(chunk);
    await rate.take(length, signal);
  }
}

/**
 * Gives its memory back at once: garbage of this kind is outside the heap, so that some twenty MiB
 * of it wait for a collection. A part of a larger buffer is not ours alone.
 */
function release(chunk: Buffer): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) buffer.transfer(0);
}

/** How much of the answer is here already; throws for an answer that is not the blob. */
async function bytesToSkip(
  answer: Answer,
  at: { readonly blob: BlobName; readonly partial: PartialFile; readonly host: string },
): Promise<number> {
  const { blob, partial, host } = at;
  if (answer.status === 200) {
    const length = fieldOf(answer, 'content-length');
    if (length === undefined || Number(length) === blob.size) return partial.have;
    return refuse(answer, partial, wrongLength(blob, length, host));
  }
  if (answer.status === 206) {
    const range = parseContentRange(fieldOf(answer, 'content-range'));
    if (range?.size !== undefined && range.size !== blob.size) {
      return refuse(answer, partial, wrongLength(blob, String(range.size), host));
    }
    if (range?.first === partial.have) return 0;
    return refuse(answer, partial, wrongRange(blob, host));
  }
  if (answer.status === 416) return refuse(answer, partial, wrongRange(blob, host));
  throw await refusedBy(answer);
}

/** What is here may not be of the same blob: it is begun again, from the first byte. */
async function refuse(answer: Answer, partial: PartialFile, why: TransferError): Promise<never> {
  await discard(answer);
  partial.restart();
  throw why;
}

function endedEarly({ digest, size }: BlobName, have: number): TransferError {
  return new TransferError('unavailable', 'unexpected EOF', {
    retry: 'always',
    facts: { digest, size, have },
  });
}

function wrongDigest({ digest }: BlobName, actual: string, host: string): TransferError {
  const message = `filesystem layer verification failed for digest ${digest}`;
  return new TransferError('corrupt', message, {
    retry: 'always',
    facts: { expected: digest, actual, registry: host },
  });
}

function wrongLength({ digest, size }: BlobName, actual: string, host: string): TransferError {
  const message = `registry ${host} sent a blob of ${actual} bytes, not ${size}, for ${digest}`;
  return new TransferError('corrupt', message, { retry: 'always', facts: { digest, size } });
}

function wrongRange({ digest }: BlobName, host: string): TransferError {
  const message = `registry ${host} sent another part of ${digest} than was asked for`;
  return new TransferError('unavailable', message, { retry: 'always', facts: { digest } });
}
