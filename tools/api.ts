// The smallest client of the Engine API, for the benchmark and the stress tests: kept-alive
// connections over the unix socket and nothing between, so that what is measured is the engine.
import { Agent, request } from 'node:http';

/** An engine that does not answer for so long is wedged. */
const ANSWER_MS_MAX = 30_000;

export type Answer = { readonly status: number; readonly body: string };

export class Api implements Disposable {
  readonly #agent: Agent;
  readonly #socket: string;
  constructor(socket: string, connections = 1) {
    this.#socket = socket;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  send(method: string, path: string, body?: unknown): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const out = request(
      {
        socketPath: this.#socket,
        agent: this.#agent,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        method,
        path: `/v1.41${path}`,
        headers:
          payload === undefined
            ? { 'Content-Length': 0 }
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
        response.on('error', reject);
      },
    );
    out.on('error', reject);
    out.end(payload);
    return promise;
  }

  /** Like send(), and anything but success is an error. */
  async must(method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 200 && answer.status < 400) return answer.body;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  }

  async create(body: Record<string, unknown>, name = ''): Promise<string> {
    const path = `/containers/create${name === '' ? '' : `?name=${name}`}`;
    return text(field(JSON.parse(await this.must('POST', path, body)), 'Id'));
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** A field of an answer by its path, "State.Pid"; undefined where there is none. */
export function field(value: unknown, path: string): unknown {
  let at = value;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = Object.getOwnPropertyDescriptor(at, name)?.value;
  }
  return at;
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Error(`the answer has ${typeof value} where a text should be`);
}
