// The smallest client of the Engine API that a benchmark needs: one kept-alive connection over the
// unix socket, requests one after another, so that what is measured is the engine.
import { Agent, request } from 'node:http';

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

  async create(body: Record<string, unknown>): Promise<string> {
    const parsed: unknown = JSON.parse(await this.must('POST', '/containers/create', body));
    if (typeof parsed !== 'object' || parsed === null || !('Id' in parsed)) {
      throw new Error('create answered without an Id');
    }
    return String(parsed.Id);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
