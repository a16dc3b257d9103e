// Names of images, as Docker's distribution/reference defines them: [DOMAIN/]PATH[:TAG][@DIGEST].
// The normal form always has a domain ("docker.io/library/busybox:latest"); the familiar form is
// what people type and read ("busybox:latest").
import { EngineError } from './error.ts';

export type Reference = {
  readonly domain: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
};

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL = 'library/';
export const DEFAULT_TAG = 'latest';
export const NAME_LENGTH_MAX = 255;

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(${DOMAIN})/(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const WHOLE_TAG = new RegExp(`^${TAG}$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;
const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
/** Longest text worth matching: a name, a tag and a sha512. */
const TEXT_LENGTH_MAX = 1024;

function invalid(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}

/** Parses what a person typed; the domain and `library/` are filled in, the tag is not. */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  if (text.length > TEXT_LENGTH_MAX) throw invalid('invalid reference format');
  const { domain, rest } = splitDomain(text);
  const colon = rest.indexOf(':');
  const name = colon < 0 ? rest : rest.slice(0, colon);
  if (name.toLowerCase() !== name) {
    throw invalid(`invalid reference format: repository name (${name}) must be lowercase`);
  }
  const match = REFERENCE.exec(`${domain}/${rest}`);
  if (match === null) throw invalid('invalid reference format');
  const path = match[2] ?? '';
  if (path.length > NAME_LENGTH_MAX) {
    throw invalid(`repository name must not be more than ${NAME_LENGTH_MAX} characters`);
  }
  if (match[4] !== undefined) checkDigest(match[4]);
  return { domain: match[1] ?? '', path, tag: match[3], digest: match[4] };
}

function splitDomain(text: string): { readonly domain: string; readonly rest: string } {
  const slash = text.indexOf('/');
  // A single element is never a host: "ubuntu:5000" is a tag, not a port.
  if (slash < 0) return { domain: DEFAULT_DOMAIN, rest: OFFICIAL + text };
  const first = text.slice(0, slash);
  let domain = DEFAULT_DOMAIN;
  let rest = text;
  if (first === LEGACY_DOMAIN) rest = text.slice(slash + 1);
  else if (first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first) {
    domain = first;
    rest = text.slice(slash + 1);
  }
  if (domain === DEFAULT_DOMAIN && !rest.includes('/')) rest = OFFICIAL + rest;
  return { domain, rest };
}

function checkDigest(digest: string): void {
  const [algorithm = '', hex = ''] = digest.split(':');
  const length = Object.hasOwn(DIGEST_LENGTHS, algorithm) ? DIGEST_LENGTHS[algorithm] : undefined;
  if (length === undefined) throw invalid('unsupported digest algorithm');
  if (hex.length !== length) throw invalid('invalid checksum digest length');
  if (hex !== hex.toLowerCase()) throw invalid('invalid checksum digest format');
}

/** A tag alone, as a registry lists it. */
export function isTag(text: unknown): text is string {
  return typeof text === 'string' && WHOLE_TAG.test(text);
}

/** An id, a digest, or a name: what `docker run IMAGE` and `docker rmi IMAGE` accept. */
export type AnyReference =
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'name'; readonly name: Reference };

export function parseAnyReference(text: string): AnyReference {
  if (IDENTIFIER.test(text)) return { kind: 'id', id: `sha256:${text}` };
  if (/^sha256:[a-f0-9]{64}$/.test(text)) return { kind: 'id', id: text };
  return { kind: 'name', name: parseReference(text) };
}

/** Adds `:latest` to a name that has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: DEFAULT_TAG };
}

/** "docker.io/library/busybox". */
export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** "busybox", "user/app", "registry.example:5000/app". */
export function familiarName(reference: Reference): string {
  const { domain, path } = reference;
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  const [first, second, ...more] = path.split('/');
  return `${first}/` === OFFICIAL && second !== undefined && more.length === 0 ? second : path;
}

/** The whole normal form, as a key. */
export function formatReference(reference: Reference): string {
  return repositoryOf(reference) + suffixOf(reference);
}

/** The whole familiar form, as shown to people. */
export function familiarReference(reference: Reference): string {
  return familiarName(reference) + suffixOf(reference);
}

function suffixOf({ tag, digest }: Reference): string {
  return (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
}
