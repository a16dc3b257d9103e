// The body of `docker import URL`: the daemon fetches it, so that it need not pass the client.
import { EngineError, messageOf } from '#base/error.ts';
import { isWhole, openWeb, type WebFile } from '#image/web.ts';

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
  let file: WebFile;
  try {
    file = await openWeb(url.href, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const text = `Get ${JSON.stringify(url.href)}: ${messageOf(error)}`;
    throw new EngineError('unavailable', text, { cause: error });
  }
  if (isWhole(file)) return file.body;
  const status = `${file.status} ${file.statusText}`.trim();
  throw new EngineError('unavailable', `cannot fetch ${url.href}: the answer is ${status}`);
}
