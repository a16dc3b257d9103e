// Questions to a person: before something is removed for good, and for names and secrets.
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CliError } from './command.ts';

/** True for y or Y; end of input means no. */
export async function confirm(question: string): Promise<boolean> {
  process.stdout.write(`${question} [y/N] `);
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) return line.trim().toLowerCase() === 'y';
    return false;
  } finally {
    lines.close();
  }
}

/** A longer answer is a file that was pasted by mistake. */
export const ANSWER_BYTES_MAX = 64 * 1024;
/** As a shell says that SIGINT ended a program. */
const INTERRUPTED = 130;

const [CTRL_C, CTRL_D, BACKSPACE, DELETE, CTRL_U] = [3, 4, 8, 127, 21];

/** What was typed before the question that it answers. */
let typedAhead: Buffer = Buffer.alloc(0);

/** One line from the terminal; the end of input is an empty one. */
export async function askLine(question: string): Promise<string> {
  process.stdout.write(question);
  return readLine();
}

/** The same without showing what is typed. */
export async function askSecret(question: string): Promise<string> {
  const { stdin, stdout } = process;
  // Before the question: what is typed at once must not be shown either.
  if (stdin.isTTY === true) stdin.setRawMode(true);
  try {
    stdout.write(question);
    return await readLine();
  } finally {
    if (stdin.isTTY === true) stdin.setRawMode(false);
    stdout.write('\n');
  }
}

async function readLine(): Promise<string> {
  const { stdin } = process;
  const bytes: number[] = [];
  const feed = (chunk: Buffer): boolean => {
    for (const [at, byte] of chunk.entries()) {
      typedAhead = chunk.subarray(at + 1);
      if (byte === 10 || byte === 13) return true;
      // Only in raw mode they come here; else the terminal itself acts on them.
      if (byte === CTRL_C) throw new CliError(INTERRUPTED, '');
      if (byte === CTRL_D && bytes.length === 0) return true;
      if (byte === BACKSPACE || byte === DELETE) dropLast(bytes);
      else if (byte === CTRL_U) bytes.length = 0;
      else if (bytes.push(byte) > ANSWER_BYTES_MAX) throw new CliError(1, 'the answer is too long');
    }
    typedAhead = Buffer.alloc(0);
    return false;
  };
  if (!feed(typedAhead)) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onData = (chunk: Buffer): void => {
      try {
        if (feed(chunk)) resolve();
      } catch (error) {
        reject(error);
      }
    };
    stdin.on('data', onData);
    stdin.once('end', resolve);
    // After the question before it was paused, and a listener alone does not undo that.
    stdin.resume();
    try {
      await promise;
    } finally {
      stdin.off('data', onData);
      stdin.off('end', resolve);
      stdin.pause();
      // Node stops reading only in the next tick, which would end the wait of the next question.
      await nextTurn();
    }
  }
  return Buffer.from(bytes).toString();
}

/** A character of UTF-8 may be several bytes. */
function dropLast(bytes: number[]): void {
  let byte = bytes.pop();
  while (byte !== undefined && (byte & 0xc0) === 0x80) byte = bytes.pop();
}
