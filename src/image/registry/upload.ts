// Writes: blobs by POST, PATCH and PUT as dockerd does it, and manifests. They go to the registry
// itself, never to a mirror.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Digest, sha256 } from '#base/digest.ts';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { type Answer, discard, fieldOf } from './http.ts';
import { PROGRESS_BYTES_MIN, type RegistryLimits } from './limit.ts';
import type { Ops, Target } from './protocol.ts';
import { parseUploadRange } from './range.ts';
import { type Place, type Reader, refusedBy } from './reader.ts';
import type { BlobName, TransferOptions } from './registry.ts';
import { TransferError } from './retry.ts';
import { blobUrl, finishUrl, manifestUrl, resolveLocation, scopeOf, uploadUrl } from './url.ts';

/** Larger parts are slower, and those that were sent wait longer to be collected. */
const READ_BYTES = 64 * 1024;
/** Uploads that a registry has begun because it could not mount, kept for who uploads next. */
const BEGUN_MAX = 256;
/** For telling the registry that an upload was given up. */
const GIVE_UP_MS_MAX = 2_000;
const WRONG_DIGEST = 'DIGEST_INVALID';
const BINARY = 'application/octet-stream';

/** An upload that the registry knows: where it goes on, and how much of it has arrived. */
type Session = {
  readonly url: URL;
  readonly offset: number;
  /** It goes on where the registry said that it was, which may be wrong. */
  readonly resumed?: true;
};

export class Writer {
  readonly #reader: Reader;
  readonly #limits: RegistryLimits;
  readonly #begun = new Map<string, Session>();

  constructor(reader: Reader, limits: RegistryLimits) {
    this.#reader = reader;
    this.#limits = limits;
  }

  async hasBlob({ target, digest }: Ops['hasBlob'][0], options: TransferOptions): Promise<boolean> {
    const { signal } = options;
    return this.#reader.retried(options, async () => {
      const place = await this.#reader.upstream(target, signal);
      const url = blobUrl(place, digest);
      const { site, access } = place;
      const answer = await this.#reader.sites.ask(site, access, { method: 'HEAD', url, signal });
      if (answer.status !== 200 && answer.status !== 404) throw await refusedBy(answer);
      await discard(answer);
      return answer.status === 200;
    });
  }

  /** A registry that refuses the other repository is no error: the blob is uploaded then. */
  async mountBlob(args: Ops['mountBlob'][0], options: TransferOptions): Promise<boolean> {
    const { target, digest, from } = args;
    const { signal } = options;
    try {
      return await this.#reader.retried(options, async () => {
        const place = await this.#reader.upstream(target, signal);
        const { site, access } = place;
        const both = { ...access, scopes: [...access.scopes, scopeOf(from, 'pull')] };
        const url = uploadUrl(place, { digest, from });
        const answer = await this.#reader.sites.ask(site, both, { method: 'POST', url, signal });
        if (answer.status === 201) {
          await discard(answer);
          return true;
        }
        if (answer.status !== 202) throw await refusedBy(answer);
        this.#keep(beginningKey(target, digest), await sessionOf(answer, 0));
        return false;
      });
    } catch (error) {
      if (error instanceof TransferError && error.retry === 'never') return false;
      throw error;
    }
  }

  #keep(key: string, session: Session): void {
    if (this.#begun.size >= BEGUN_MAX) this.#begun.clear();
    this.#begun.set(key, session);
  }

  async upload({ target, blob, file }: Ops['upload'][0], options: TransferOptions): Promise<void> {
    await checkFile(file, blob);
    const key = beginningKey(target, blob.digest);
    let session = this.#begun.get(key);
    this.#begun.delete(key);
    const name = { target, digest: blob.digest };
    let ending = false;
    let attempt = 0;
    for (;;) {
      const work = { target, blob, file, options, sent: session?.offset ?? 0 };
      const before = work.sent;
      try {
        // An end whose answer was lost has perhaps been an end.
        if (ending && session === undefined && (await this.hasBlob(name, options))) return;
        const place = await this.#reader.upstream(target, options.signal);
        session ??= await this.#begin(place, options.signal);
        session = await this.#send(place, session, work);
        ending = true;
        await this.#finish(place, session, work);
        return;
      } catch (error) {
        if (!(error instanceof TransferError)) {
          if (session !== undefined) await this.#giveUp(target, session);
          throw error;
        }
        attempt = work.sent - before >= PROGRESS_BYTES_MIN ? 1 : attempt + 1;
        await this.#reader.waitAfter(error, attempt, options);
        session = session && (await this.#resume(session, work, error));
      }
    }
  }

  async #begin(place: Place, signal: AbortSignal): Promise<Session> {
    const { site, access } = place;
    const ask = { method: 'POST', url: uploadUrl(place), signal } as const;
    const answer = await this.#reader.sites.ask(site, access, ask);
    if (answer.status !== 202) throw await refusedBy(answer);
    return sessionOf(answer, 0);
  }

  async #send(place: Place, session: Session, work: Sending): Promise<Session> {
    const { blob, file, options } = work;
    const { url, offset } = session;
    if (offset >= blob.size) return session;
    const headers = {
      'content-type': BINARY,
      'content-length': String(blob.size - offset),
      'content-range': `${offset}-${blob.size - 1}`,
    };
    const body = () => contentOf(file, offset, (sent) => told(work, sent));
    const ask = { method: 'PATCH', url, headers, body, signal: options.signal } as const;
    const answer = await this.#reader.sites.ask(place.site, place.access, ask);
    if (answer.status !== 202) throw beginAgain(await refusedBy(answer), session);
    return { ...session, ...(await sessionOf(answer, blob.size)) };
  }

  async #finish(place: Place, session: Session, { blob, options }: Sending): Promise<void> {
    const { site, access } = place;
    const answer = await this.#reader.sites.ask(site, access, {
      method: 'PUT',
      url: finishUrl(session.url, blob.digest),
      headers: { 'content-type': BINARY, 'content-length': '0' },
      signal: options.signal,
      headersMs: this.#limits.finishMs,
    });
    if (answer.status !== 201 && answer.status !== 204) {
      throw beginAgain(await refusedBy(answer), session);
    }
    await discard(answer);
  }

  /** How much of it the registry has; undefined: it is begun again. */
  async #resume(
    session: Session,
    work: Sending,
    error: TransferError,
  ): Promise<Session | undefined> {
    if (error.facts['registryCode'] === WRONG_DIGEST) return undefined;
    const { target } = work;
    const { signal } = work.options;
    try {
      const { site, access } = await this.#reader.upstream(target, signal);
      const ask = { method: 'GET', url: session.url, signal } as const;
      const answer = await this.#reader.sites.ask(site, access, ask);
      const offset = parseUploadRange(fieldOf(answer, 'range'));
      if (answer.status === 204 && offset !== undefined && offset <= work.blob.size) {
        return { ...(await sessionOf(answer, offset, session.url)), resumed: true };
      }
      await discard(answer);
    } catch (failure) {
      // That it cannot be asked is one more reason to begin again, unless nobody wants it any more.
      signal.throwIfAborted();
      if (!(failure instanceof TransferError)) throw failure;
    }
    return undefined;
  }

  /** Nobody will end this upload: the registry need not keep what it has of it. */
  async #giveUp(target: Target, { url }: Session): Promise<void> {
    const signal = AbortSignal.timeout(GIVE_UP_MS_MAX);
    try {
      const { site, access } = await this.#reader.upstream(target, signal);
      await discard(await this.#reader.sites.ask(site, access, { method: 'DELETE', url, signal }));
    } catch {
      // The registry purges what nobody ends.
    }
  }

  async putManifest(args: Ops['putManifest'][0], options: TransferOptions): Promise<Digest> {
    const { target, reference, bytes, mediaType } = args;
    const { signal } = options;
    const digest = sha256(bytes);
    return this.#reader.retried(options, async () => {
      const place = await this.#reader.upstream(target, signal);
      const answer = await this.#reader.sites.ask(place.site, place.access, {
        method: 'PUT',
        url: manifestUrl(place, reference),
        headers: { 'content-type': mediaType },
        body: bytes,
        signal,
      });
      if (answer.status !== 201) throw await refusedBy(answer);
      await discard(answer);
      const stored = fieldOf(answer, 'docker-content-digest');
      if (stored === undefined || stored === digest || !stored.startsWith('sha256:')) return digest;
      throw new EngineError('corrupt', `registry stored the manifest as ${stored}, not ${digest}`, {
        facts: { expected: digest, actual: stored },
      });
    });
  }
}

type Sending = {
  readonly target: Target;
  readonly blob: BlobName;
  readonly file: string;
  readonly options: TransferOptions;
  /** Bytes of the blob that were handed to the connection. */
  sent: number;
};

function told(work: Sending, sent: number): void {
  work.sent = sent;
  work.options.onProgress?.(sent);
}

/** What a registry has begun for one user is not another one's. */
function beginningKey({ name, auth }: Target, digest: Digest): string {
  const whom = [auth?.username, auth?.password, auth?.identityToken, auth?.registryToken];
  return sha256(JSON.stringify([name.domain, name.path, digest, ...whom]));
}

async function sessionOf(answer: Answer, offset: number, before?: URL): Promise<Session> {
  await discard(answer);
  const location = fieldOf(answer, 'location');
  if (location === undefined && before !== undefined) return { url: before, offset };
  return { url: resolveLocation(answer.url, location), offset };
}

/**
 * An upload that the registry has forgotten, or that went on at a wrong place, is worth a new one.
 */
function beginAgain(error: TransferError, { resumed }: Session): TransferError {
  const { code, message, facts, afterMs } = error;
  const lost = facts['status'] === 404 || facts['status'] === 416;
  if (!lost && !(resumed === true && facts['registryCode'] === WRONG_DIGEST)) return error;
  return new TransferError(code, message, { retry: 'always', afterMs, facts });
}

async function checkFile(file: string, { digest, size }: BlobName): Promise<void> {
  const actual = await stat(file).then(
    (found) => found.size,
    (error: unknown) => {
      throw readError(error);
    },
  );
  if (actual === size) return;
  throw new EngineError('corrupt', `blob ${digest} has ${actual} bytes, expected ${size}`, {
    facts: { digest, size, actual },
  });
}

async function* contentOf(
  file: string,
  start: number,
  onSent: (sent: number) => void,
): AsyncGenerator<Uint8Array> {
  let sent = start;
  try {
    for await (const chunk of createReadStream(file, { start, highWaterMark: READ_BYTES })) {
      yield chunk as Buffer;
      sent += (chunk as Buffer).length;
      onSent(sent);
    }
  } catch (error) {
    throw readError(error);
  }
}

function readError(error: unknown): EngineError {
  return new EngineError('kernel_refused', `cannot read a blob to upload: ${messageOf(error)}`, {
    cause: error,
    facts: { errno: errnoOf(error) },
  });
}
