// One request to an engine and its JSON.
import assert from 'node:assert/strict';
import type { PrivateEngine } from '../../tools/private-engine.ts';
import { call as send, demux } from './engine-call.ts';

export async function call(engine: PrivateEngine, method: string, path: string): Promise<unknown> {
  const { body } = await send(engine.socket, method, path);
  return body === '' ? undefined : JSON.parse(body);
}

/** Must succeed, unless a failure is what is asked for: then its status and message. */
export async function post<T>(
  engine: PrivateEngine,
  path: string,
  body: object = {},
  { fails = false }: { readonly fails?: boolean } = {},
): Promise<T> {
  const answer = await send(engine.socket, 'POST', path, body);
  assert.equal(answer.status >= 400, fails, `${path}: ${answer.body}`);
  const json: object = answer.body === '' ? {} : JSON.parse(answer.body);
  return { ...json, ...(fails ? { status: answer.status } : {}) } as T;
}

/** What a container wrote to its standard output; little and plain ASCII, frames and all. */
export async function readText(engine: PrivateEngine, path: string): Promise<string> {
  const { body } = await send(engine.socket, 'GET', path);
  return demux(Buffer.from(body)).stdout;
}
