// -o type=tar|local|oci,dest=PATH: what was built, as files instead of (only) an image.
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { EngineClient } from '#client/client.ts';
import type { ContainerCreateReply } from '#wire/container.ts';
import { CliError } from '../command.ts';
import { unpack } from '../copy/unpack.ts';

export type Output = { readonly type: 'tar' | 'local' | 'oci' | 'image'; readonly dest: string };

export function parseOutput(text: string): Output {
  if (!text.includes('=')) {
    return text === '-' ? { type: 'tar', dest: '-' } : { type: 'local', dest: text };
  }
  const fields = new Map(
    text.split(',').map((field) => {
      const at = field.indexOf('=');
      return [field.slice(0, at), field.slice(at + 1)] as const;
    }),
  );
  const type = fields.get('type') ?? '';
  const dest = fields.get('dest') ?? '';
  const known = (['tar', 'local', 'oci', 'image'] as const).find(
    (each) => each === (type === 'docker' ? 'oci' : type),
  );
  if (known === undefined) {
    throw new CliError(1, `unknown output type ${JSON.stringify(type)}: tar, local, oci or image`);
  }
  if (dest === '' && known !== 'image') throw new CliError(1, `output ${known} requires dest=PATH`);
  return { type: known, dest };
}

export async function writeOutput(
  client: EngineClient,
  id: string,
  { dest, type }: Output,
): Promise<void> {
  if (type === 'image') return;
  if (type === 'oci') {
    const { body } = await client.call('GET', `/images/${encodeURIComponent(id)}/get`);
    await pipeline(body, target(dest));
    return;
  }
  // A container that is never started shows the files of the image.
  const json = { Image: id, Cmd: ['-'], Entrypoint: [''] };
  const { Id } = await client.json<ContainerCreateReply>('POST', '/containers/create', { json });
  try {
    const { body } = await client.call('GET', `/containers/${Id}/export`);
    if (type === 'tar') await pipeline(body, target(dest));
    else {
      const directory = resolve(dest);
      await mkdir(directory, { recursive: true });
      await unpack(body, { directory, from: '', to: '' }, (text) => process.stderr.write(text));
    }
  } finally {
    await client.done('DELETE', `/containers/${Id}`, { query: { force: true } });
  }
}

function target(dest: string): NodeJS.WritableStream {
  return dest === '-' ? process.stdout : createWriteStream(dest);
}
