// Starts nft, iptables-restore and their readers: no shell, text on standard input, a limit on time
// and output. A refusal names the line that was refused, as the program saw it.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError, errnoOf } from '#base/error.ts';

/** nft waits for the kernel's commit, iptables for a lock that others hold. */
export const PROGRAM_MS_MAX = 20_000;
/** A listing of PORTS_MAX published ports with counters is about 20 MiB of JSON. */
export const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const MESSAGE_LENGTH_MAX = 2000;

/** Runs one program to its end and answers its standard output. */
export interface ProgramRunner {
  run(argv: readonly string[], input?: string): Promise<string>;
}

export type RunnerOptions = {
  /** Put before every command, as `nsenter --net=PATH`. */
  readonly prefix?: readonly string[];
  /** Where input is kept while a program reads it. */
  readonly scratch?: string;
  readonly timeoutMs?: number;
};

/**
 * A nameless file with the text. Node makes a child's piped stdin a socket, and nft opens
 * /dev/stdin by name, which Linux refuses for a socket (ENXIO, open(2)).
 */
async function inputFile(directory: string, text: string): Promise<FileHandle> {
  const path = join(directory, `.netfilter-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    const data = Buffer.from(text);
    // At a position, so that the offset which the child inherits stays 0.
    for (let at = 0; at < data.length; ) {
      at += (await file.write(data, at, data.length - at, at)).bytesWritten;
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The line of the input that the program complains about, or undefined. */
export function refusedLine(stderr: string, input: string): string | undefined {
  // nft: "/dev/stdin:3:20-27: Error: ...". iptables-restore: "line 3 failed", "at line: 3".
  const match = /\/dev\/stdin:(\d+):|line:? (\d+)(?: failed)?/.exec(stderr);
  if (match === null) return undefined;
  return input.split('\n')[Number(match[1] ?? match[2]) - 1];
}

export class Programs implements ProgramRunner {
  readonly #prefix: readonly string[];
  readonly #scratch: string;
  readonly #timeoutMs: number;
  constructor(options: RunnerOptions = {}) {
    this.#prefix = options.prefix ?? [];
    this.#scratch = options.scratch ?? tmpdir();
    this.#timeoutMs = options.timeoutMs ?? PROGRAM_MS_MAX;
  }

  async run(argv: readonly string[], input?: string): Promise<string> {
    if (input === undefined) return this.#spawn(argv, 'ignore', '');
    const file = await inputFile(this.#scratch, input);
    try {
      return await this.#spawn(argv, file.fd, input);
    } finally {
      await file.close();
    }
  }

  #spawn(argv: readonly string[], stdin: 'ignore' | number, input: string): Promise<string> {
    const [program = '', ...rest] = [...this.#prefix, ...argv];
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = spawn(program, rest, {
      stdio: [stdin, 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#timeoutMs);
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[], bytes: 0 };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (chunk: Buffer) => {
        output.bytes += chunk.length;
        if (output.bytes > OUTPUT_BYTES_MAX) child.kill('SIGKILL');
        else output[stream].push(chunk);
      });
    }
    child.on('error', (error) => {
      clearTimeout(timer);
      const missing = errnoOf(error) === 'ENOENT';
      const message = missing ? `cannot run ${program}: it is not installed` : error.message;
      reject(new EngineError('unavailable', message, { cause: error, facts: { program } }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(Buffer.concat(output.stdout).toString());
      else
        reject(
          this.#failure(argv, { code, signal, input, stderr: output.stderr, bytes: output.bytes }),
        );
    });
    return promise;
  }

  #failure(
    argv: readonly string[],
    end: {
      code: number | null;
      signal: string | null;
      input: string;
      stderr: Buffer[];
      bytes: number;
    },
  ): EngineError {
    const program = argv[0] ?? '';
    const facts = { program, code: end.code, signal: end.signal };
    if (end.bytes > OUTPUT_BYTES_MAX) {
      const message = `${program} wrote more than OUTPUT_BYTES_MAX (${OUTPUT_BYTES_MAX})`;
      return new EngineError('limit_exceeded', message, { facts });
    }
    if (end.signal !== null) {
      const message = `${program} was ended by ${end.signal}, it may take ${this.#timeoutMs} ms`;
      return new EngineError('unavailable', message, { facts });
    }
    const stderr = Buffer.concat(end.stderr).toString().trim().slice(0, MESSAGE_LENGTH_MAX);
    const line = refusedLine(stderr, end.input);
    const at = line === undefined ? '' : ` at "${line.slice(0, MESSAGE_LENGTH_MAX)}"`;
    const first = stderr.split('\n')[0] ?? '';
    return new EngineError('kernel_refused', `${program} failed${at}: ${first}`, {
      facts: { ...facts, line, stderr },
    });
  }
}
