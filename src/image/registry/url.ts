// The paths of the Docker Registry HTTP API v2 (OCI distribution-spec, "Endpoints"), and where an
// answer may send us: a Location or a redirect is a stranger's text.
import { EngineError } from '#base/error.ts';
import type { Source } from './endpoint.ts';

/** Hops from one request to its answer; Go's client has the same limit. */
export const REDIRECTS_MAX = 10;

type Place = { readonly source: Source; readonly origin: string; readonly path: string };

const base = ({ source, origin, path }: Place) => `${origin}/v2/${source.prefix}${path}`;

function named(text: string, { mirrorOf }: Source): URL {
  const url = new URL(text);
  // A mirror of several registries asks which (containerd's hosts.toml has the same).
  if (mirrorOf !== undefined) url.searchParams.set('ns', mirrorOf);
  return url;
}

export const pingUrl = (origin: string): URL => new URL(`${origin}/v2/`);

export const manifestUrl = (place: Place, reference: string): URL =>
  named(`${base(place)}/manifests/${reference}`, place.source);

export const blobUrl = (place: Place, digest: string): URL =>
  named(`${base(place)}/blobs/${digest}`, place.source);

export const tagsUrl = (place: Place): URL => named(`${base(place)}/tags/list`, place.source);

/** The page after this one: `Link: </v2/a/tags/list?last=x>; rel="next"` (RFC 8288). */
export function nextPage(from: URL, link: string | undefined): URL | undefined {
  const match = /<([^<>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? '');
  return match === null ? undefined : resolveLocation(from, match[1]);
}

/** Begins an upload; with `mount` the registry may take the blob from its other repository. */
export function uploadUrl(
  place: Place,
  mount?: { readonly digest: string; readonly from: string },
): URL {
  const url = new URL(`${base(place)}/blobs/uploads/`);
  if (mount !== undefined) {
    url.searchParams.set('mount', mount.digest);
    url.searchParams.set('from', mount.from);
  }
  return url;
}

/** The end of an upload: its place, query kept, with the digest. */
export function finishUrl(location: URL, digest: string): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

/** "repository:team/app:pull,push" */
export function scopeOf(path: string, action: 'pull' | 'push'): string {
  return `repository:${path}:${action === 'push' ? 'pull,push' : 'pull'}`;
}

/**
 * Where an answer points to, seen from where it came. Other schemes and a user's name in it are
 * refused, and nothing leads from https to http: what is sent next may be a secret.
 */
export function resolveLocation(from: URL, location: string | undefined): URL {
  const refuse = (why: string) =>
    new EngineError('unavailable', `registry ${from.host} sends us to a wrong place: ${why}`, {
      facts: { from: from.origin },
    });
  if (location === undefined || location === '') throw refuse('no Location');
  if (!URL.canParse(location, from.href)) throw refuse('Location is no URL');
  const url = new URL(location, from.href);
  if (!/^https?:$/.test(url.protocol)) throw refuse(`scheme ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw refuse('a user name in the URL');
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    // A registry behind somebody else's TLS does not know that it is asked by https.
    if (url.host !== from.host) throw refuse(`from https to http://${url.host}`);
    url.protocol = 'https:';
  }
  url.hash = '';
  return url;
}

/** Credentials are for one origin: another port is another server. */
export const isSameOrigin = (a: URL, b: URL): boolean => a.origin === b.origin;

/** A URL for messages and logs: signed queries are secrets. */
export const shownUrl = (url: URL): string => `${url.origin}${url.pathname}`;
