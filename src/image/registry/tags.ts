// All tags of a repository (distribution-spec, "Listing Tags"), page after page.
import { isTag } from '#base/reference.ts';
import { fieldOf, readBody } from './http.ts';
import type { Target } from './protocol.ts';
import { type Place, type Reader, refusedBy } from './reader.ts';
import type { TransferOptions } from './registry.ts';
import { TransferError } from './retry.ts';
import { nextPage, tagsUrl } from './url.ts';

export const TAGS_MAX = 100_000;
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

export function listTags(
  reader: Reader,
  target: Target,
  options: TransferOptions,
): Promise<readonly string[]> {
  return reader.read(target, options, (place) => tagsAt(reader, place, options.signal));
}

async function tagsAt(
  reader: Reader,
  place: Place,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const tags = new Set<string>();
  let url: URL | undefined = tagsUrl(place);
  while (url !== undefined) {
    const before: number = tags.size;
    const answer = await reader.sites.ask(place.site, place.access, { method: 'GET', url, signal });
    if (answer.status !== 200) throw await refusedBy(answer);
    const body = await readBody(answer, { what: 'list of tags', max: PAGE_BYTES_MAX, signal });
    for (const tag of parseTags(body)) tags.add(tag);
    if (tags.size > TAGS_MAX) throw tooMany();
    const next = nextPage(answer.url, fieldOf(answer, 'link'));
    // A page without anything new would be followed by the same for ever.
    url = tags.size > before ? next : undefined;
  }
  return [...tags];
}

/** What is no tag could not be pulled either, and must not become part of a URL. */
export function parseTags(body: Uint8Array): readonly string[] {
  try {
    const raw: unknown = JSON.parse(new TextDecoder().decode(body));
    const list = typeof raw === 'object' && raw !== null && 'tags' in raw ? raw.tags : undefined;
    // A repository whose last tag was removed has null.
    if (list === null || list === undefined) return [];
    if (Array.isArray(list)) return list.filter(isTag);
  } catch {
    // Told below.
  }
  throw new TransferError('corrupt', 'the list of tags is malformed', { retry: 'never' });
}

function tooMany(): TransferError {
  return new TransferError('limit_exceeded', 'the repository has too many tags', {
    retry: 'never',
    facts: { limit: 'TAGS_MAX', max: TAGS_MAX },
  });
}
