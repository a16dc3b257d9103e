// Named contexts of POST /build: in X-Coracle-Build by name, and those that the client has as files
// in the body, behind the main context.
import { EngineError, messageOf } from '#base/error.ts';
import { parseReference } from '#base/reference.ts';
import { redactUrl } from '#build/git/url.ts';
import { type ContextSource, contextName, CONTEXTS_MAX } from '#build/named-context.ts';
import { PartReader } from '#wire/parts.ts';
import { Fields } from '../decode.ts';

type Wished = Exclude<ContextSource, { readonly kind: 'archive' }> | { readonly kind: 'body' };
/** By contextName(). */
export type WishedContexts = ReadonlyMap<string, Wished>;

const IMAGE = /^docker-image:\/\//;
const REMOTE = /^(?:(?:https?|git|ssh):\/\/|[\w.-]+@[\w.-]+:|github\.com\/)/i;

/** A list of {Name, Source}; a source that is "" is in the body. */
export function parseContexts(raw: unknown): WishedContexts {
  const contexts = new Map<string, Wished>();
  if (raw === undefined || raw === null) return contexts;
  if (!Array.isArray(raw)) throw new EngineError('invalid_argument', 'Contexts is no list');
  if (raw.length > CONTEXTS_MAX) {
    throw new EngineError('limit_exceeded', `more than ${CONTEXTS_MAX} build contexts`, {
      facts: { limit: 'CONTEXTS_MAX', max: CONTEXTS_MAX },
    });
  }
  for (const item of raw) {
    const fields = new Fields('Contexts', item);
    const name = checkName(fields.string('Name'));
    if (contexts.has(name)) throw wrong(name, 'it is given twice');
    contexts.set(name, parseSource(name, fields.string('Source')));
  }
  return contexts;
}

function checkName(text: string): string {
  const name = contextName(text);
  if (name !== undefined) return name;
  const why = /^(?:scratch|context)$/i.test(text)
    ? 'this name has a meaning of its own in every build'
    : /^\d+$/.test(text)
      ? 'a number names a stage'
      : 'it is written like the name of an image, in lower case: name, name:tag or host/name';
  throw new EngineError('invalid_argument', `invalid context name ${JSON.stringify(text)}: ${why}`);
}

function parseSource(name: string, text: string): Wished {
  if (text === '') return { kind: 'body' };
  if (IMAGE.test(text)) return { kind: 'image', name: checkImage(name, text.replace(IMAGE, '')) };
  if (REMOTE.test(text)) return { kind: 'url', url: text };
  if (text.startsWith('oci-layout://')) {
    throw wrong(name, "an OCI layout is read by 'coracle load': then give docker-image://NAME");
  }
  const shown = JSON.stringify(redactUrl(text));
  throw wrong(name, `${shown} is neither docker-image://NAME, a URL nor a directory of the client`);
}

function checkImage(name: string, image: string): string {
  try {
    if (image !== 'scratch') parseReference(image);
    return image;
  } catch (error) {
    throw wrong(name, messageOf(error));
  }
}

function wrong(name: string, why: string): EngineError {
  return new EngineError('invalid_argument', `invalid build context ${name}: ${why}`);
}

type Archive = AsyncIterable<Uint8Array>;

type Body = AsyncDisposable & {
  readonly main: Archive;
  readonly named: ReadonlyMap<string, ContextSource>;
};

/** In parts, where there is more in it than the main context. */
export function openBody(body: Archive, contexts: WishedContexts, hasMain: boolean): Body {
  const sent = [...contexts.values()].filter(({ kind }) => kind === 'body').length;
  const reader = new PartReader(body, sent + (hasMain ? 1 : 0));
  const main = sent > 0 && hasMain ? reader.part() : body;
  const named = new Map<string, ContextSource>();
  for (const [name, wished] of contexts) {
    const isSent = wished.kind === 'body';
    named.set(name, isSent ? { kind: 'archive', archive: reader.part() } : wished);
  }
  return { main, named, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() };
}
