// The platform of a transfer: a word for a pull and an import, JSON for everything else.
import { EngineError } from '#base/error.ts';
import { parsePlatform, type Platform } from '#image/platform.ts';
import { olderThan } from '#wire/version.ts';
import { Fields } from '../decode.ts';
import type { Exchange } from '../exchange.ts';
import { parseJson } from '../json.ts';

/** "linux/arm64/v8" */
export function platformOf(text: string): Platform | undefined {
  if (text === '') return undefined;
  const platform = text.startsWith('{') ? undefined : parsePlatform(text);
  if (platform === undefined) {
    throw new EngineError('invalid_argument', `invalid platform: ${text.slice(0, 100)}`);
  }
  return platform;
}

/** {"os":"linux","architecture":"amd64"}; ignored from a client of before there was one. */
export function platformSince(
  since: string,
  { query, version }: Pick<Exchange, 'query' | 'version'>,
): Platform | undefined {
  const text = query.text('platform');
  return text === '' || olderThan(version, since) ? undefined : platformOfJson(text);
}

/** Of a request that may name several. */
export function platformsSince(
  since: string,
  { query, version }: Pick<Exchange, 'query' | 'version'>,
): readonly Platform[] {
  if (olderThan(version, since)) return [];
  return query
    .all('platforms')
    .filter((text) => text !== '')
    .map(platformOfJson);
}

function platformOfJson(text: string): Platform {
  const fields = new Fields('Platform', parsePlatformJson(text));
  const [os, architecture] = [fields.string('os'), fields.string('architecture')];
  const variant = fields.string('variant');
  if (os !== '' && architecture !== '') return { os, architecture, variant };
  throw new EngineError(
    'invalid_argument',
    os === '' && architecture === '' && variant !== ''
      ? 'optional platform fields provided, but OS and Architecture are missing'
      : 'both OS and Architecture must be provided',
  );
}

/** The same of a request that dockerd takes one platform of at most. */
export function onePlatformSince(since: string, exchange: Exchange): Platform | undefined {
  if (!olderThan(exchange.version, since) && exchange.query.all('platform').length > 1) {
    throw new EngineError('invalid_argument', 'multiple platform parameters not supported');
  }
  return platformSince(since, exchange);
}

function parsePlatformJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    const why = cause instanceof EngineError ? cause.message : String(cause);
    throw new EngineError('invalid_argument', `failed to parse platform: ${why}`, { cause });
  }
}
