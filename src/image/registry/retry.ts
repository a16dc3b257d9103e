// When and how soon a request is made again. Decisions only; who waits is elsewhere.
import { EngineError, type ErrorCode, type Facts } from '#base/error.ts';

/** Longest wait that a server can impose with Retry-After. */
export const RETRY_AFTER_MS_MAX = 120_000;
export const BACKOFF_MS_MAX = 30_000;

/**
 * - never: it would fail in the same way.
 * - reached: only if this server has answered before; a wrong address should not cost a minute.
 * - always: it was bad luck, or the server's state.
 */
export type Retry = 'never' | 'reached' | 'always';

/** A failed request or transfer, with what the loop around it has to know. */
export class TransferError extends EngineError {
  readonly retry: Retry;
  readonly afterMs: number | undefined;
  constructor(
    code: ErrorCode,
    message: string,
    options: {
      readonly retry: Retry;
      readonly afterMs?: number | undefined;
      readonly cause?: unknown;
      readonly facts?: Facts;
    },
  ) {
    const { cause, facts } = options;
    super(code, message, { ...(cause === undefined ? {} : { cause }), facts: facts ?? {} });
    this.retry = options.retry;
    this.afterMs = options.afterMs;
  }
}

/** 501 and 505 are opinions, not states. */
export function isPassing(status: number): boolean {
  if (status === 408 || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 505;
}

/** Retry-After as seconds or as a date (RFC 9110, section 10.2.3); undefined if it is neither. */
export function retryAfterMs(field: string | undefined, nowMs: number): number | undefined {
  if (field === undefined) return undefined;
  const text = field.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

/** Doubles with each attempt; half of it is chance, so that many clients do not come as one. */
export function backoffMs(attempt: number, baseMs: number, random: number): number {
  const whole = Math.min(baseMs * 2 ** (attempt - 1), BACKOFF_MS_MAX);
  return whole / 2 + (whole / 2) * random;
}
