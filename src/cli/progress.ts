// The progress streams of load and import: the last word of each is what people and scripts read.
import type { Readable } from 'node:stream';
import { readJsonLines } from '#client/client.ts';
import type { ProgressMessage } from '#wire/image.ts';
import { CliError } from './command.ts';

/** Prints the stream's texts; an error in it ends the command. */
export async function showProgress(body: Readable, quiet = false): Promise<void> {
  for await (const message of readJsonLines<ProgressMessage>(body)) {
    const error = message.errorDetail?.message ?? message.error;
    if (error !== undefined) throw new CliError(1, error);
    // Byte counts are for a terminal that redraws; the texts are for everybody.
    if (message.progressDetail?.total !== undefined || message.progress !== undefined) continue;
    if (message.stream !== undefined) process.stdout.write(message.stream);
    else if (message.status !== undefined && !quiet) {
      const id = message.id === undefined ? '' : `${message.id}: `;
      process.stdout.write(`${id}${message.status}\n`);
    }
  }
}
