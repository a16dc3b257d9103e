// Object ids: 64 lower-case hexadecimal digits from the kernel's random source, as Docker's.
import { randomBytes } from 'node:crypto';

export type ContainerId = string & { readonly __brand: 'ContainerId' };
export type ExecId = string & { readonly __brand: 'ExecId' };

const FULL_ID = /^[0-9a-f]{64}$/;

/**
 * A new id. Docker avoids ids whose short form is all digits, because a host name of digits only
 * confuses some programs; so do we.
 */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^[0-9]+$/.test(id.slice(0, 12))) return id;
  }
}

export function isFullId(text: string): boolean {
  return FULL_ID.test(text);
}

/** The first 12 digits, as `docker ps` shows them. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
