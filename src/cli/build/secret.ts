// --secret id=NAME[,src=FILE|,env=VARIABLE]: contents that a build may read, and nobody keeps.
import { readFileSync } from 'node:fs';
import { messageOf } from '#base/error.ts';
import { CliError } from '../command.ts';

/** All of them travel in one header. */
export const SECRETS_BYTES_MAX = 128 * 1024;

export function readSecrets(texts: readonly string[]): Readonly<Record<string, string>> {
  const secrets: Record<string, string> = {};
  let bytes = 0;
  for (const text of texts) {
    const fields = new Map(
      text.split(',').map((field) => {
        const at = field.indexOf('=');
        return [field.slice(0, Math.max(0, at)).trim(), field.slice(at + 1)] as const;
      }),
    );
    const id = fields.get('id') ?? '';
    if (id === '') throw new CliError(1, `invalid secret ${JSON.stringify(text)}: it has no id=`);
    const content = contentOf(id, fields);
    bytes += content.length;
    if (bytes > SECRETS_BYTES_MAX) {
      throw new CliError(1, `the secrets are larger than ${SECRETS_BYTES_MAX} bytes together`);
    }
    secrets[id] = content.toString('base64');
  }
  return secrets;
}

function contentOf(id: string, fields: ReadonlyMap<string, string>): Buffer {
  const file = fields.get('src') ?? fields.get('source');
  const variable = fields.get('env') ?? (fields.get('type') === 'env' ? id : undefined);
  if (file !== undefined && fields.get('type') !== 'env') {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new CliError(1, `failed to read secret ${id}: ${messageOf(error)}`, { cause: error });
    }
  }
  const value = process.env[variable ?? file ?? id];
  if (value === undefined) {
    throw new CliError(
      1,
      `secret ${id}: neither src=FILE nor the variable ${variable ?? id} is there`,
    );
  }
  return Buffer.from(value);
}
