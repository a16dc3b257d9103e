// Content digests, OCI image-spec descriptor.md "Digests". Only sha256 is used for content we
// store. The grammar is checked before a digest becomes part of a path.
import { createHash } from 'node:crypto';
import { EngineError } from './error.ts';

export type Digest = string & { readonly __brand: 'Digest' };

const SHA256 = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && SHA256.test(text);
}

/** Parses `sha256:<64 hex>`; throws `invalid_argument` for anything else. */
export function parseDigest(text: unknown): Digest {
  if (isDigest(text)) return text;
  throw new EngineError('invalid_argument', `invalid digest: ${JSON.stringify(text)}`);
}

export function sha256(data: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(data).digest('hex')}` as Digest;
}

/** The hexadecimal part, safe as a file name. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
