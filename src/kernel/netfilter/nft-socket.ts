// Speaks nf_tables' messages through the agent: changes of elements, the generation, and what our
// table holds. What it cannot do, `nft` does (nftables.ts).
import { EngineError, isEngineError } from '#base/error.ts';
import { errnoName, OpError } from '../native/encode.ts';
import type { Agent } from '../native/native.ts';
import type { Op } from '../native/op.ts';
import {
  type Answer,
  decodeMessages,
  encodeMessages,
  type Message,
  NLM_F,
} from '../netlink/message.ts';
import type { ElementChange } from './element.ts';
import {
  changeMessages,
  decodeChains,
  decodeElements,
  decodeGeneration,
  decodeRuleChains,
  decodeSetNames,
  dumpChains,
  dumpElements,
  dumpRules,
  dumpSets,
  getGeneration,
  NETLINK_NETFILTER,
  transaction,
} from './nft-message.ts';
import type { ReadChain, ReadTable } from './nft-read.ts';
import { SETS } from './nft-schema.ts';

/** A transaction is a datagram, which must fit the socket's send buffer (native/net.c). */
const TRANSACTION_BYTES_MAX = 7 * 1024 * 1024;
const DUMP_ATTEMPTS_MAX = 5;

export type NftTarget = {
  readonly agent: Pick<Agent, 'perform'>;
  /** Path of a network namespace, or "" for the host's. */
  readonly namespace: string;
};

/** What the kernel holds. */
export type ReadRules = {
  readonly table: ReadTable | undefined;
  readonly chains: readonly ReadChain[];
};

export class NftSocket {
  readonly #target: NftTarget;
  readonly #table: string;

  constructor(target: NftTarget, table: string) {
    this.#target = target;
    this.#table = table;
  }

  /**
   * Makes the changes in one transaction. Answers the generations before and after it, or undefined
   * when they are too many for one datagram.
   */
  async change(
    changes: readonly ElementChange[],
  ): Promise<{ readonly before: number; readonly after: number } | undefined> {
    const ask = encodeMessages([getGeneration()]);
    const messages = changeMessages(this.#table, changes);
    const batch = transaction(messages, 2);
    if (batch.length > TRANSACTION_BYTES_MAX) return undefined;
    const answers = await this.#send(
      Buffer.concat([ask, batch, ask]),
      (index) =>
        // One question, then the begin of the transaction.
        messages[index - 2]?.what ?? 'change rules',
    );
    return { before: decodeGeneration(answers[0]), after: decodeGeneration(answers[1]) };
  }

  async generation(): Promise<number> {
    return decodeGeneration((await this.#exchange([getGeneration()]))[0]);
  }

  /** Of all tables of everybody; none where the kernel has no nf_tables. */
  async chains(): Promise<readonly ReadChain[]> {
    try {
      return decodeChains(await this.#exchange([dumpChains()]));
    } catch (error) {
      if (isEngineError(error, 'kernel_refused')) return [];
      throw error;
    }
  }

  /** Our table (undefined when there is none), and everybody's chains. */
  async read(): Promise<ReadRules> {
    for (let attempt = 1; ; attempt += 1) {
      const read = await this.#readOnce();
      if (read !== undefined) return read;
      if (attempt === DUMP_ATTEMPTS_MAX) {
        throw new EngineError('unavailable', 'the rules change faster than they can be read');
      }
    }
  }

  /** Undefined when the rules were changed meanwhile. */
  async #readOnce(): Promise<ReadRules | undefined> {
    const first = await this.#exchange([getGeneration(), dumpChains()]);
    const chains = decodeChains(first.filter(({ sequence }) => sequence === 2));
    const own = chains.filter(({ family, table }) => family === 'inet' && table === this.#table);
    // A table without chains is none of ours; a list of the sets of no table is refused.
    if (own.length === 0) return { table: undefined, chains };
    const names = decodeSetNames(await this.#exchange([dumpSets(this.#table)]));
    // A set of no version of ours cannot be read, and does no harm.
    const sets = SETS.filter(({ name }) => names.includes(name)).map(({ name }) => name);
    const second = await this.#exchange([
      getGeneration(),
      dumpRules(this.#table),
      ...sets.map((set) => dumpElements(this.#table, set)),
    ]);
    const torn = [...first, ...second].some(({ flags }) => (flags & NLM_F.DUMP_INTR) !== 0);
    if (torn || decodeGeneration(first[0]) !== decodeGeneration(second[0])) return undefined;
    const of = (sequence: number): readonly Answer[] =>
      second.filter((answer) => answer.sequence === sequence);
    const counts = new Map(own.map(({ name }) => [name, 0]));
    for (const chain of decodeRuleChains(of(2))) counts.set(chain, (counts.get(chain) ?? 0) + 1);
    const elements = sets.flatMap((set, index) => decodeElements(set, of(index + 3)));
    return { table: { elements, sets: new Set(names), chains: counts }, chains };
  }

  #exchange(messages: readonly Message[]): Promise<readonly Answer[]> {
    return this.#send(encodeMessages(messages), (index) => messages[index]?.what ?? 'read rules');
  }

  async #send(messages: Buffer, what: (index: number) => string): Promise<readonly Answer[]> {
    const { agent, namespace } = this.#target;
    const op: Op = {
      op: 'netlink',
      namespace,
      namespaces: [],
      protocol: NETLINK_NETFILTER,
      messages,
    };
    try {
      const [result] = await agent.perform([op]);
      return decodeMessages(result?.output ?? Buffer.alloc(0));
    } catch (error) {
      if (!(error instanceof OpError)) throw error;
      const { errno, output } = error.result;
      const index = output.length >= 4 ? output.readUInt32LE(0) : -1;
      const facts = { errno: errnoName(errno), message: index };
      const text = `nf_tables refused to ${what(index)}: ${errnoName(errno)}`;
      throw new EngineError('kernel_refused', text, { cause: error, facts });
    }
  }
}
