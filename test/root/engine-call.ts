// Calls to an engine's socket as a client makes them, small enough to see every byte: a request
// with its answer, and a hijacked stream.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Answer = { readonly status: number; readonly body: string };

export function call(
  socketPath: string,
  method: string,
  path: string,
  json?: unknown,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const body = json === undefined ? undefined : JSON.stringify(json);
  const headers =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const asked = request({ socketPath, method, path: `/v1.51${path}`, headers }, (reply) => {
    const parts: Buffer[] = [];
    reply.on('data', (part: Buffer) => parts.push(part));
    reply.on('error', reject);
    reply.on('end', () =>
      resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
    );
  });
  asked.on('error', reject);
  asked.end(body);
  return promise;
}

/** Resolves with the stream once the server has switched protocols. */
export async function hijack(
  socketPath: string,
  path: string,
  json?: unknown,
): Promise<{ readonly socket: Socket; readonly early: Buffer }> {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  const body = json === undefined ? '' : JSON.stringify(json);
  socket.write(
    `POST /v1.51${path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  let head = Buffer.alloc(0);
  for (;;) {
    const end = head.indexOf('\r\n\r\n');
    if (end !== -1) {
      const text = head.subarray(0, end).toString();
      if (!text.startsWith('HTTP/1.1 101')) throw new Error(`${text}\n${head.subarray(end + 4)}`);
      return { socket, early: head.subarray(end + 4) };
    }
    const chunk = await new Promise<Buffer>((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
      socket.once('end', () => reject(new Error(`the engine closed after: ${head.toString()}`)));
    });
    socket.pause();
    socket.removeAllListeners('end');
    socket.removeAllListeners('error');
    head = Buffer.concat([head, chunk]);
  }
}

/** Reads a stream of frames (or raw bytes with a tty) to its end. */
export async function readAll(
  stream: { readonly socket: Socket; readonly early: Buffer },
  tty = false,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const parts: Buffer[] = [stream.early];
  for await (const chunk of stream.socket) parts.push(chunk as Buffer);
  return tty
    ? { stdout: Buffer.concat(parts).toString(), stderr: '' }
    : demux(Buffer.concat(parts));
}

const HEADER_BYTES = 8;

export function demux(bytes: Buffer): { readonly stdout: string; readonly stderr: string } {
  const out: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32BE(at + 4);
    out[bytes[at] === 2 ? 1 : 0].push(
      bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length),
    );
    at += HEADER_BYTES + length;
  }
  if (at !== bytes.length) throw new Error('the stream ends inside a frame');
  return { stdout: Buffer.concat(out[0]).toString(), stderr: Buffer.concat(out[1]).toString() };
}

const EMPTY_MS_MAX = 10_000;

/** Trees of removed containers are taken away behind the answer: soon there is nothing. */
export async function eventuallyEmpty(directory: string): Promise<void> {
  const deadline = performance.now() + EMPTY_MS_MAX;
  for (;;) {
    const names = readdirSync(directory);
    if (names.length === 0) return;
    if (performance.now() > deadline) throw new Error(`${directory} holds ${names.join(' ')}`);
    await sleep(20);
  }
}

/** The body of an answer that is none of an error. */
export async function must(
  socket: string,
  method: string,
  path: string,
  json?: unknown,
): Promise<string> {
  const { status, body } = await call(socket, method, path, json);
  assert.ok(status < 300, `${method} ${path}: ${status} ${body}`);
  return body;
}

const UNTIL_MS_MAX = 10_000;

export async function until(what: () => string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + UNTIL_MS_MAX;
  while (!holds()) {
    assert.ok(performance.now() < deadline, what());
    await sleep(2);
  }
}
