// Answers for the ssh agents of this machine while a build goes on: for each connection that one of
// its steps makes, one to the engine and one to the agent. Only what needs no trust goes through,
// as with buildkit: keys are listed and sign; nobody in a build adds, removes or locks any.
// draft-ietf-sshm-ssh-agent is the protocol.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { messageOf } from '#base/error.ts';
import type { AgentCallEvent } from '#wire/build.ts';
import type { EngineClient } from './client.ts';
import { ClientError } from './error.ts';

/** As OpenSSH's own agent. */
export const MESSAGE_BYTES_MAX = 256 * 1024;
/** At once; the engine has a lower limit for each step. */
const CONNECTIONS_MAX = 1_024;
const LENGTH_BYTES = 4;
const REQUEST_IDENTITIES = 11;
const SIGN_REQUEST = 13;
/** A message of one byte, SSH_AGENT_FAILURE. */
const FAILURE = Buffer.from([0, 0, 0, 1, 5]);

export class AgentForward implements Disposable {
  readonly #client: EngineClient;
  readonly #sockets: ReadonlyMap<string, string>;
  readonly #onProblem: (text: string) => void;
  readonly #ended = new AbortController();
  #open = 0;

  /** Paths of agents' sockets by the ids that the build knows them by. */
  constructor(
    client: EngineClient,
    sockets: ReadonlyMap<string, string>,
    onProblem: (text: string) => void,
  ) {
    this.#client = client;
    this.#sockets = sockets;
    this.#onProblem = onProblem;
  }

  /** Carries one connection to its end, beside whatever the caller does. */
  answer({ connection, id }: AgentCallEvent): void {
    const path = this.#sockets.get(id);
    // Not what was offered.
    if (path === undefined || this.#open >= CONNECTIONS_MAX) return;
    this.#open += 1;
    const onProblem = (error: unknown): void => {
      if (this.#ended.signal.aborted) return;
      this.#onProblem(`ssh agent ${JSON.stringify(id)}: ${messageOf(error)}`);
    };
    this.#carry(connection, path, onProblem)
      .catch(onProblem)
      .finally(() => {
        this.#open -= 1;
      });
  }

  async #carry(
    connection: string,
    path: string,
    onProblem: (error: unknown) => void,
  ): Promise<void> {
    const { signal } = this.#ended;
    const where = `/coracle/build/agents/${connection}`;
    const { socket: step } = await this.#client.hijack(where, { signal });
    step.on('error', () => step.destroy());
    try {
      const agent = await openAgent(path, signal).catch(onProblem);
      await serveAgent(step, agent ?? undefined);
    } finally {
      // Whole, it closes by itself when the last answer is out.
      if (!step.writableEnded) step.destroy();
    }
  }

  /** Ends all connections. */
  [Symbol.dispose](): void {
    this.#ended.abort();
  }
}

async function openAgent(path: string, signal: AbortSignal): Promise<Socket> {
  const agent = connect({ path });
  try {
    await once(agent, 'connect', { signal });
  } catch (error) {
    agent.destroy();
    throw error;
  }
  agent.on('error', () => agent.destroy());
  return agent;
}

/**
 * One request after the other, until either side ends. Where no agent is, each is refused: who
 * writes to a connection that has just ended is killed by SIGPIPE, and says nothing.
 */
export async function serveAgent(step: Duplex, agent: Duplex | undefined): Promise<void> {
  const answers = agent && messages(agent);
  // An agent may ask a person before it signs; who has gone needs no answer.
  const close = (): void => void agent?.destroy();
  step.once('close', close);
  try {
    for await (const request of messages(step)) {
      const isAllowed = [REQUEST_IDENTITIES, SIGN_REQUEST].includes(request[LENGTH_BYTES] ?? 0);
      let answer: Buffer | undefined = FAILURE;
      if (isAllowed && agent !== undefined) {
        agent.write(request);
        answer = (await answers?.next())?.value;
      }
      if (answer === undefined) return;
      if (!step.write(answer)) await drained(step);
    }
    step.end();
  } finally {
    step.off('close', close);
    agent?.destroy();
  }
}

/** With their lengths in front. */
async function* messages(stream: Readable): AsyncGenerator<Buffer, undefined, undefined> {
  let held: Buffer = Buffer.alloc(0);
  // Its end must not close the other half of the connection.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    held = Buffer.concat([held, chunk as Buffer]);
    while (held.length >= LENGTH_BYTES) {
      const length = held.readUInt32BE(0);
      if (length === 0 || length > MESSAGE_BYTES_MAX) {
        const text = `a message of ${length} bytes: the peer speaks another protocol`;
        throw new ClientError('corrupt', text);
      }
      const end = LENGTH_BYTES + length;
      if (held.length < end) break;
      yield held.subarray(0, end);
      held = held.subarray(end);
    }
  }
  return undefined;
}

async function drained(stream: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('drain', resolve);
  stream.once('close', resolve);
  await promise;
  stream.off('drain', resolve);
  stream.off('close', resolve);
}
