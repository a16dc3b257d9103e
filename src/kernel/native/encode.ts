// Frames and plans as bytes, and answers back: the TypeScript side of native/protocol.h. Pure.
import { constants } from 'node:os';
import { EngineError } from '#base/error.ts';
import {
  type ExecPlan,
  type Exit,
  FAULT,
  type LaunchPlan,
  type LogPlan,
  OPS,
  type Op,
  type OpName,
  type OpResult,
  PLACES,
} from './op.ts';

export const FRAME = {
  PERFORM: 1,
  RESULTS: 2,
  LAUNCH: 16,
  GO: 17,
  STATE: 18,
  SIGNAL: 19,
  RESIZE: 20,
  EXEC: 21,
  ATTACH: 22,
  READY: 32,
  STARTED: 33,
  FAILED: 34,
  STATE_REPLY: 35,
  OK: 36,
  REFUSED: 37,
  EXITED: 38,
  EXEC_EXITED: 39,
  RELAY_ADD: 64,
  RELAY_REMOVE: 65,
  RELAY_LIST: 66,
  RELAY_QUERY: 67,
  RELAY_ANSWER: 68,
  RELAY_FORWARD: 69,
} as const;

export const FRAME_HEADER_BYTES = 12;
/** As FRAME_BYTES_MAX in protocol.h. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
export const STREAM_BIT = { stdin: 1, stdout: 2, stderr: 4 } as const;
const STDIN = { none: 0, open: 1, once: 2 } as const;

export const OP_NAMES = Object.keys(OPS) as OpName[];
const OPCODES = new Map(OP_NAMES.map((name, index) => [name, index]));
const SIGNATURES = new Map(
  OP_NAMES.map((name) => [
    name,
    OPS[name].split(' ').flatMap((argument) => {
      const [key, type] = argument.split(':');
      return key && type ? [{ key, type }] : [];
    }),
  ]),
);

/** A growing output buffer in the machine's byte order (little endian on all we support). */
export class Encoder {
  #buffer: Buffer;
  #used = 0;

  constructor(bytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  #room(bytes: number): number {
    const at = this.#used;
    const need = at + bytes;
    if (need > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(need, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#used = need;
    return at;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.#room(8);
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
      this.#buffer.writeUInt32LE(value % 0x1_0000_0000, at);
      this.#buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
    } else {
      this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
    }
    return this;
  }

  bytes(data: Uint8Array): this {
    this.u32(data.length);
    const at = this.#room(data.length + 1);
    this.#buffer.set(data, at);
    this.#buffer[at + data.length] = 0;
    return this;
  }

  string(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): this {
    // Written at once, behind a length that is known then: a unit of UTF-16 is three bytes at most.
    const at = this.#room(4 + text.length * 3 + 1);
    const length = this.#buffer.write(text, at + 4, encoding);
    this.#buffer.writeUInt32LE(length, at);
    this.#buffer[at + 4 + length] = 0;
    this.#used = at + 4 + length + 1;
    return this;
  }

  /** The bytes so far; they are the encoder's own memory. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#used);
  }

  get length(): number {
    return this.#used;
  }

  /** Begins again in the same memory: what finish() gave must have been sent by now. */
  reset(): void {
    this.#used = 0;
  }

  /** Writes over a number that was written before. */
  setU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }
}

export function encodeOp(out: Encoder, op: Op): void {
  const signature = SIGNATURES.get(op.op);
  if (signature === undefined) throw new EngineError('internal', `unknown operation ${op.op}`);
  // Names in a layer may be any bytes, kept as latin1 strings; all other text is UTF-8.
  const encoding = op.op.startsWith('tree_') ? 'latin1' : 'utf8';
  out.u32(OPCODES.get(op.op) ?? 0);
  const values = op as unknown as Record<string, unknown>;
  for (const { key, type } of signature) {
    const value = values[key];
    if (type === 'u') out.u64(value as number | bigint);
    else if (type === 'b') out.bytes(value as Uint8Array);
    else if (type === 's') out.string(checkText(op.op, key, value as string), encoding);
    else {
      const list = value as readonly string[];
      out.u32(list.length);
      for (const item of list) out.string(checkText(op.op, key, item), encoding);
    }
  }
}

function checkText(op: string, key: string, text: string): string {
  if (text.includes('\0')) {
    throw new EngineError('invalid_argument', `${key} of ${op} contains a NUL byte`);
  }
  return text;
}

export function encodeOps(out: Encoder, ops: readonly Op[]): void {
  out.u32(ops.length);
  for (const op of ops) encodeOp(out, op);
}

/** One frame: header and body. */
export function encodeFrame(kind: number, id: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.length);
  encodeFrameHeader(frame, kind, id, body.length);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/** Only the header, at the start of `out`. */
export function encodeFrameHeader(out: Buffer, kind: number, id: number, bytes: number): void {
  if (bytes > FRAME_BYTES_MAX) {
    throw new EngineError('limit_exceeded', `a plan of ${bytes} bytes is too large`);
  }
  out.writeUInt32LE(bytes, 0);
  out.writeUInt32LE(kind, 4);
  out.writeUInt32LE(id, 8);
}

export function encodePerform(ops: readonly Op[]): Buffer {
  const out = new Encoder();
  encodeOps(out, ops);
  return out.finish();
}

const TRANSPORT = { unix: 1, udp: 2, tcp: 3 } as const;
const LOG_TIME = { none: 0, stamp: 1, seconds: 2, micro: 3 } as const;

function encodeLog(out: Encoder, log: LogPlan): void {
  if (log.driver === 'none') out.u32(0).string('').u64(0).u32(0).string('');
  else
    out
      .u32(1)
      .string(log.path)
      .u64(log.maxBytes)
      .u32(log.maxFiles)
      .string(log.attributes ?? '');
  const forward = log.driver === 'none' ? undefined : log.forward;
  if (forward === undefined) {
    out.u32(0).string('').u32(0).u32(0).string('').string('').string('');
    return;
  }
  const { transport, address, port, time, head, tail } = forward;
  out.u32(TRANSPORT[transport]).string(address).u32(port).u32(LOG_TIME[time]);
  out.string(head.stdout).string(head.stderr).string(tail);
}

export function encodeLaunch(plan: LaunchPlan): Buffer {
  const out = new Encoder();
  const { stdio, log } = plan;
  out.u32(stdio.tty ? 1 : 0).u32(STDIN[stdio.stdin]);
  encodeLog(out, log);
  encodeOps(out, plan.host);
  encodeOps(out, plan.join);
  out.u64(plan.cloneFlags);
  encodeOps(out, plan.init);
  encodeOps(out, plan.teardown);
  return out.finish();
}

export function encodeExec(id: string, plan: ExecPlan, streams: number): Buffer {
  const out = new Encoder();
  out
    .string(id)
    .u32(plan.stdio.tty ? 1 : 0)
    .u32(STDIN[plan.stdio.stdin])
    .u32(streams);
  encodeOps(out, plan.join);
  encodeOps(out, plan.init);
  return out.finish();
}

/**
 * Small outputs do not keep a whole frame alive; large ones are most of it. Nearly all steps have
 * none: a Buffer for each would be most of what a start allocates.
 */
function ownBytes(bytes: Buffer): Buffer {
  if (bytes.length === 0) return NO_BYTES;
  return bytes.length < OWN_BYTES_MAX ? Buffer.from(bytes) : bytes;
}

const OWN_BYTES_MAX = 16 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** Reads a body in the order it was written; throws `internal` when it is too short. */
export class Decoder {
  readonly #data: Buffer;
  #at = 0;
  constructor(data: Buffer) {
    this.#data = data;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#data.length) {
      throw new EngineError('internal', 'the C program sent an answer that is too short');
    }
    this.#at = at + bytes;
    return at;
  }

  /** Everything was read. */
  get ended(): boolean {
    return this.#at === this.#data.length;
  }

  u32(): number {
    return this.#data.readUInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.#data.readBigUInt64LE(this.#take(8));
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length + 1);
    return this.#data.subarray(at, at + length);
  }

  string(): string {
    return this.bytes().toString('utf8');
  }

  results(): OpResult[] {
    const results: OpResult[] = [];
    for (let count = this.u32(); count > 0; count -= 1) {
      results.push({
        place: PLACES[this.u32()] ?? 'agent',
        index: this.u32(),
        op: OP_NAMES[this.u32()] ?? 'mkdir',
        errno: this.u32(),
        nanoseconds: Number(this.u64()),
        output: ownBytes(this.bytes()),
      });
    }
    return results;
  }

  exit(): Exit {
    return { exitCode: this.u32(), signal: this.u32(), finishedAt: this.u64() };
  }
}

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));
const FAULT_NAMES = new Map<number, string>(
  Object.entries(FAULT).map(([name, value]) => [value, name]),
);

/** "ENOENT", "COMMAND_NOT_FOUND", or the number. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? FAULT_NAMES.get(errno) ?? String(errno);
}

/** An operation that failed, with the results of those before it. */
export class OpError extends EngineError {
  readonly result: OpResult;
  readonly results: readonly OpResult[];
  constructor(result: OpResult, results: readonly OpResult[]) {
    const said = result.output.toString('utf8').trim();
    super(
      'kernel_refused',
      `${result.op} failed: ${errnoName(result.errno)}${said === '' ? '' : ` (${said})`}`,
      {
        facts: {
          op: result.op,
          place: result.place,
          step: result.index,
          errno: errnoName(result.errno),
        },
      },
    );
    this.result = result;
    this.results = results;
  }
}

/** Throws when the last result is a failure. */
export function checkResults(results: readonly OpResult[]): readonly OpResult[] {
  const last = results.at(-1);
  if (last !== undefined && last.errno !== 0) throw new OpError(last, results);
  return results;
}

/**
 * The exit file of a monitor: `exit_code=`, `signal=`, `finished_at=`, `teardown=<hex results>`.
 */
export function parseExitFile(
  text: string,
): (Exit & { readonly teardown: readonly OpResult[] }) | undefined {
  const fields = new Map(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
    }),
  );
  const code = fields.get('exit_code');
  const finished = fields.get('finished_at');
  if (code === undefined || finished === undefined) return undefined;
  const teardown = Buffer.from(fields.get('teardown') ?? '', 'hex');
  return {
    exitCode: Number(code),
    signal: Number(fields.get('signal') ?? 0),
    finishedAt: BigInt(finished),
    teardown: teardown.length === 0 ? [] : new Decoder(teardown).results(),
  };
}
