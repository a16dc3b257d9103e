// The body of `docker import URL`: the daemon fetches it, so that it need not pass the client.
import { EngineError, messageOf } from '#base/error.ts';

/** Until the head of the answer is there; the rest may take as long as it takes. */
const HEADERS_MS_MAX = 60_000;

/** A URL without a scheme is one of http, as for dockerd. */
export function parseRootUrl(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    if (url.username === '' && url.password === '') return url;
    // It would become the comment of the image, for whoever has that.
    const text = 'a user name or password has no place in the address of an archive';
    throw new EngineError('invalid_argument', `cannot import from ${url.host}: ${text}`);
  }
  const why = 'the address of an archive begins with http:// or https://';
  throw new EngineError('invalid_argument', `cannot import from ${JSON.stringify(text)}: ${why}`);
}

export async function fetchRoot(url: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error('no answer')), HEADERS_MS_MAX);
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.any([signal, late.signal]) });
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const text = `Get ${JSON.stringify(url.href)}: ${messageOf(cause)}`;
    throw new EngineError('unavailable', text, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  if (response.ok && response.body !== null) return response.body;
  await response.body?.cancel();
  const status = `${response.status} ${response.statusText}`.trim();
  throw new EngineError('unavailable', `cannot fetch ${url.href}: the answer is ${status}`);
}
