// The progress streams of pull, push, load and import, shown as docker's CLI does: on a terminal a
// line for each layer that is written anew in place, elsewhere the texts alone.
import type { Readable } from 'node:stream';
import { progressBar } from '#base/progress-bar.ts';
import { readJsonLines } from '#client/client.ts';
import type { ProgressMessage } from '#wire/image.ts';
import { CliError } from './command.ts';

export type ProgressOut = {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
};

export type ProgressOptions = {
  /** Standard output unless told. */
  readonly out?: ProgressOut;
  /** Nothing is shown; an error still ends the command. */
  readonly quiet?: boolean;
};

/** Shows the stream to its end; an error in it ends the command. */
export async function showProgress(body: Readable, options: ProgressOptions = {}): Promise<void> {
  const display = new ProgressDisplay(options.out ?? process.stdout);
  for await (const message of readJsonLines<ProgressMessage>(body)) {
    const error = message.errorDetail?.message ?? message.error;
    if (error !== undefined) throw new CliError(1, error);
    if (options.quiet !== true && message.aux === undefined) display.show(message);
  }
}

/** Which line of the terminal belongs to which layer. */
export class ProgressDisplay {
  readonly #out: ProgressOut;
  readonly #lines = new Map<string, number>();

  constructor(out: ProgressOut) {
    this.#out = out;
  }

  show(message: ProgressMessage): void {
    const tty = this.#out.isTTY === true;
    const { id = '', progressDetail, progress = '', status = '', stream = '' } = message;
    const isLayer = id !== '' && (progressDetail !== undefined || progress !== '');
    if (!isLayer) {
      // Something else is printed below: from here on the places of the lines are not known.
      this.#lines.clear();
    }
    const up = isLayer ? this.#linesUp(id, tty) : 0;
    const bar = barOf(message, this.#out.columns ?? 0);
    if (tty && stream === '' && progressDetail !== undefined) {
      const prefix = id === '' ? '' : `${id}: `;
      this.#out.write(`${move(up, 'A')}\x1b[2K\r${prefix}${status} ${bar}\r${move(up, 'B')}`);
      return;
    }
    // Numbers that change are for a terminal only.
    if (!tty && bar !== '') return;
    this.#out.write((id === '' ? '' : `${id}: `) + (stream === '' ? `${status}\n` : stream));
  }

  #linesUp(id: string, tty: boolean): number {
    let line = this.#lines.get(id);
    if (line === undefined) {
      line = this.#lines.size;
      this.#lines.set(id, line);
      if (tty) this.#out.write('\n');
    }
    return tty ? this.#lines.size - line : 0;
  }
}

function move(lines: number, direction: 'A' | 'B'): string {
  return lines === 0 ? '' : `\x1b[${lines}${direction}`;
}

/** On a narrower terminal only the numbers fit. */
const BAR_COLUMNS_MIN = 110;

function barOf({ progressDetail }: ProgressMessage, columns: number): string {
  const { current = 0, total = 0 } = progressDetail ?? {};
  return progressBar(current, total, { bar: columns > BAR_COLUMNS_MIN });
}
