// `docker search`: Docker Hub's search API v1. No other registry has to have one (the distribution
// specification has none), but a proxy may.
import { EngineError } from '#base/error.ts';
import { basic } from './basic.ts';
import { domainOfServer, HUB, upstreamOf } from './endpoint.ts';
import { type Http, readBody } from './http.ts';
import { type Reader, refusedBy } from './reader.ts';
import type { SearchResult, SearchWish, TransferOptions } from './registry.ts';

const HUB_INDEX = 'https://index.docker.io';
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** Docker Hub's own limit of one page. */
export const SEARCH_RESULTS_MAX = 100;
const TEXT_LENGTH_MAX = 10_000;

export async function search(
  { http, reader }: { readonly http: Http; readonly reader: Reader },
  { auth, host, limit, term }: SearchWish,
  { signal }: TransferOptions,
): Promise<readonly SearchResult[]> {
  const domain = domainOfServer(host);
  const origin = domain === HUB ? HUB_INDEX : await originOf(reader, domain, signal);
  const url = new URL(`${origin}/v1/search`);
  url.searchParams.set('q', term);
  url.searchParams.set('n', String(limit));
  const known = auth !== undefined && auth.username !== '';
  const headers = known ? { authorization: basic(auth) } : {};
  const answer = await http.ask({ method: 'GET', url, headers, signal });
  if (answer.status !== 200) {
    const error = await refusedBy(answer);
    if (answer.status !== 404) throw error;
    const why = `registry ${domain} has no search, which is no part of the registry API v2`;
    throw new EngineError('not_implemented', `Unexpected status code 404: ${why}`);
  }
  return parseResults(
    await readBody(answer, { what: 'search answer', max: ANSWER_BYTES_MAX, signal }),
  );
}

async function originOf(reader: Reader, domain: string, signal: AbortSignal): Promise<string> {
  return (await reader.sites.reach(upstreamOf(domain, reader.config.insecure), signal)).origin;
}

export function parseResults(body: Uint8Array): readonly SearchResult[] {
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new EngineError('unavailable', 'the answer to the search is not JSON', { cause });
  }
  const list = typeof raw === 'object' && raw !== null && 'results' in raw ? raw.results : [];
  if (!Array.isArray(list)) return [];
  return list.slice(0, SEARCH_RESULTS_MAX).flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null) return [];
    const fields = new Map<string, unknown>(Object.entries(item));
    const text = (key: string): string => {
      const value = fields.get(key);
      return typeof value === 'string' ? value.slice(0, TEXT_LENGTH_MAX) : '';
    };
    const stars = fields.get('star_count');
    return [
      {
        name: text('name'),
        description: text('description'),
        stars: Number.isSafeInteger(stars) ? (stars as number) : 0,
        official: fields.get('is_official') === true,
      },
    ];
  });
}
