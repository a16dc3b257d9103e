// The size of a top, as somebody writes it.
import { parseLimit } from '#kernel/disk/limit.ts';

/** "1g" → bytes. */
export function parseRootSize(text: string): number {
  return parseLimit(text);
}
