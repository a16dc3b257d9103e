// The thin port to the kernel: batches of messages become operations of the agent, answers come
// back decoded, and a refusal names what was refused. No plan is made here; link.ts and its
// neighbours make the messages, and nothing in this folder decides what a network looks like.
import { EngineError } from '#base/error.ts';
import { errnoName, OpError } from '../native/encode.ts';
import type { Agent } from '../native/native.ts';
import type { Op, OpResult } from '../native/op.ts';
import { type AddressState, decodeAddresses, dumpAddresses } from './address.ts';
import { dumpLinks, getLink, type LinkReference } from './link.ts';
import { decodeLinks, type LinkState } from './link-state.ts';
import {
  type Answer,
  decodeMessages,
  encodeMessages,
  type Message,
  NETLINK_ROUTE,
  NLM_F,
} from './message.ts';
import { decodeNeighbours, dumpNeighbours, type NeighbourState } from './neighbour.ts';
import { decodeRoutes, dumpRoutes, type RouteState } from './route.ts';
import { decodeQueues, dumpClasses, dumpQdiscs, type QueueState } from './traffic.ts';

/** As NAMESPACES_MAX in native/net.c. */
export const NAMESPACES_MAX = 16;
const DUMP_ATTEMPTS_MAX = 5;

/** Messages for one namespace; the n-th of `namespaces` is what a message calls namespace n. */
export type Batch = {
  /** A path, or "" for the host's. */
  readonly namespace: string;
  readonly namespaces?: readonly string[];
  readonly messages: readonly Message[];
};

/** What one round trip does: batches, and operations between them (netns_create, netns_sysctl). */
export type Step = Batch | Op;

export type StepResult = {
  readonly nanoseconds: number;
  /** Of a batch. */
  readonly answers: readonly Answer[];
  /** Of any other operation. */
  readonly output: Buffer;
};

/** The kernel refused a message. */
export class NetlinkError extends EngineError {
  /**
   * Position of the message in its batch; -1 when the batch never began (its namespace is gone).
   */
  readonly index: number;
  /** Position of the batch in its list of steps. */
  readonly step: number;
  readonly errno: string;
  constructor(
    message: string,
    at: { readonly step: number; readonly index: number; readonly errno: string },
    options: { readonly cause: unknown; readonly on: string },
  ) {
    super('kernel_refused', message, {
      cause: options.cause,
      facts: { op: 'netlink', errno: at.errno, on: options.on, message: at.index },
    });
    this.name = 'NetlinkError';
    this.index = at.index;
    this.step = at.step;
    this.errno = at.errno;
  }
}

/** Whether the kernel refused a message with one of these ("EEXIST", "ENODEV"). */
export function isNetlinkError(
  error: unknown,
  ...errnos: readonly string[]
): error is NetlinkError {
  if (!(error instanceof NetlinkError)) return false;
  return errnos.length === 0 || errnos.includes(error.errno);
}

function isOp(step: Step): step is Op {
  return 'op' in step;
}

/** A batch as an operation of the agent. */
export function encodeBatch(batch: Batch): Extract<Op, { op: 'netlink' }> {
  const { namespace, namespaces = [], messages } = batch;
  if (namespaces.length > NAMESPACES_MAX) {
    throw new EngineError('limit_exceeded', `a batch names ${namespaces.length} namespaces`);
  }
  const data = encodeMessages(messages);
  return { op: 'netlink', namespace, namespaces, protocol: NETLINK_ROUTE, messages: data };
}

/** The failure of a batch in words: "cannot add veth vethab12: EEXIST". */
export function explainRefusal(batch: Batch, error: OpError): NetlinkError {
  const { errno: number, output, index: step } = error.result;
  const errno = errnoName(number);
  const index = output.length >= 4 ? output.readUInt32LE(0) : -1;
  const said = output.length > 4 ? ` (${output.toString('utf8', 4)})` : '';
  const message = batch.messages[index];
  if (message === undefined) {
    const paths = [batch.namespace, ...(batch.namespaces ?? [])].filter((path) => path !== '');
    const on = paths.join(', ');
    return new NetlinkError(
      `cannot enter network namespace ${on === '' ? 'of the host' : on}: ${errno}`,
      { step, index: -1, errno },
      { cause: error, on },
    );
  }
  const on =
    message.on === '' ? '' : ` ${message.on.startsWith('link ') ? 'on ' : ''}${message.on}`;
  const where = batch.namespace === '' ? '' : ` in ${batch.namespace}`;
  return new NetlinkError(
    `cannot ${message.what}${on}${where}: ${errno}${said}`,
    { step, index, errno },
    { cause: error, on: message.on },
  );
}

function resultOf(step: Step, result: OpResult | undefined): StepResult {
  if (result === undefined) throw new EngineError('internal', 'the agent answered too few results');
  const { nanoseconds, output } = result;
  if (isOp(step)) return { nanoseconds, answers: [], output };
  return { nanoseconds, answers: decodeMessages(output), output: Buffer.alloc(0) };
}

export class Netlink {
  readonly #agent: Pick<Agent, 'perform'>;

  constructor(agent: Pick<Agent, 'perform'>) {
    this.#agent = agent;
  }

  /**
   * One round trip. The first refusal ends it; what was done before it stays done, and the error
   * tells how far it went. A step of the agent's own fails with its OpError.
   */
  async perform(steps: readonly Step[]): Promise<readonly StepResult[]> {
    const ops = steps.map((step) => (isOp(step) ? step : encodeBatch(step)));
    try {
      const results = await this.#agent.perform(ops);
      return steps.map((step, index) => resultOf(step, results[index]));
    } catch (error) {
      if (!(error instanceof OpError)) throw error;
      const step = steps[error.result.index];
      if (step === undefined || isOp(step)) throw error;
      throw explainRefusal(step, error);
    }
  }

  /** Sends messages one after the other in a namespace ("" = the host's); answers in order. */
  async exchange(
    namespace: string,
    messages: readonly Message[],
    namespaces: readonly string[] = [],
  ): Promise<readonly Answer[]> {
    const results = await this.perform([{ namespace, namespaces, messages }]);
    return results[0]?.answers ?? [];
  }

  /** A list, taken again when it changed meanwhile: it may then lack what was always there. */
  async #list(namespace: string, messages: readonly Message[]): Promise<readonly Answer[]> {
    for (let attempt = 1; ; attempt += 1) {
      const answers = await this.exchange(namespace, messages);
      const whole = answers.every(({ flags }) => (flags & NLM_F.DUMP_INTR) === 0);
      if (whole || attempt === DUMP_ATTEMPTS_MAX) return answers;
    }
  }

  async links(namespace: string, options: { statistics?: boolean } = {}): Promise<LinkState[]> {
    return decodeLinks(await this.#list(namespace, [dumpLinks(options)]));
  }

  /** One interface with its statistics, or undefined when there is none. */
  async link(namespace: string, link: LinkReference): Promise<LinkState | undefined> {
    try {
      return decodeLinks(await this.exchange(namespace, [getLink(link)]))[0];
    } catch (error) {
      if (isNetlinkError(error, 'ENODEV') && error.index === 0) return undefined;
      throw error;
    }
  }

  async addresses(namespace: string): Promise<AddressState[]> {
    return decodeAddresses(await this.#list(namespace, [dumpAddresses()]));
  }

  /** Of both families and all tables. */
  async routes(namespace: string): Promise<RouteState[]> {
    return decodeRoutes(await this.#list(namespace, [dumpRoutes()]));
  }

  async neighbours(
    namespace: string,
    family: Parameters<typeof dumpNeighbours>[0],
  ): Promise<NeighbourState[]> {
    return decodeNeighbours(await this.#list(namespace, [dumpNeighbours(family)]));
  }

  /** Qdiscs and classes of one interface, with their counters. */
  async queues(namespace: string, link: number): Promise<QueueState[]> {
    const answers = await this.#list(namespace, [dumpQdiscs(), dumpClasses(link)]);
    return decodeQueues(answers, link);
  }
}
