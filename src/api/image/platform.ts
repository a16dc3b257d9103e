// The platform of a transfer: a word for a pull and an import, JSON for a push, either for a load.
import { EngineError } from '#base/error.ts';
import { parsePlatform, type Platform } from '#image/platform.ts';
import { Fields } from '../decode.ts';
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

/** {"os":"linux","architecture":"amd64"}. */
export function parsePlatformJson(text: string): Platform | undefined {
  if (text === '') return undefined;
  const fields = new Fields('Platform', parseJson(text));
  return {
    os: fields.string('os'),
    architecture: fields.string('architecture'),
    variant: fields.string('variant'),
  };
}
