// The firewall of one engine: keeps the state that the kernel should hold and brings changes to a
// back end, one transaction a change. Only what is named after our table is ever made, changed or
// removed; rules of other software are read and never touched.
import { isEngineError } from '#base/error.ts';
import type { BackendOptions, FirewallBackend, Verification } from './backend.ts';
import { CommitQueue } from './commit-queue.ts';
import { IptablesBackend } from './iptables.ts';
import { IptablesKind } from './iptables-kind.ts';
import { chainPrefix } from './iptables-text.ts';
import { NftSocket, type NftTarget } from './nft-socket.ts';
import { NftablesBackend } from './nftables.ts';
import { Programs, type ProgramRunner, type RunnerOptions } from './run.ts';
import { type FirewallState, parseTableName, type PortCounters } from './state.ts';
import { type FirewallChange, StateBook } from './state-book.ts';

export const FIREWALL_BACKENDS = {
  nftables: (options: BackendOptions): FirewallBackend => new NftablesBackend(options),
  iptables: (options: BackendOptions): FirewallBackend => new IptablesBackend(options),
} as const;
export type FirewallBackendName = keyof typeof FIREWALL_BACKENDS;

export interface Firewall {
  readonly backend: FirewallBackendName;
  /** Replaces the state and brings the kernel to it in one transaction. */
  apply(state: FirewallState): Promise<void>;
  /**
   * Replaces the state and writes only where the kernel differs: at the daemon's start, so that
   * counters and packets are not disturbed. Answers what was found.
   */
  adopt(state: FirewallState): Promise<Verification>;
  /** Adds and removes. Removing what is not there is no error; adding twice is `conflict`. */
  change(change: FirewallChange): Promise<void>;
  verify(): Promise<Verification>;
  /**
   * repair(), but undefined without a look when nobody but us changed any rule since the last time:
   * the kernel numbers the changes, but for those by iptables-legacy, where it looks now and then.
   */
  check(): Promise<Verification | undefined>;
  /** verify(), and where something is amiss the whole state again. Answers what was found. */
  repair(): Promise<Verification>;
  counters(): Promise<readonly PortCounters[]>;
  /** Our rules as the kernel holds them, with counters. */
  list(): Promise<string>;
  /** Takes everything of ours out of the kernel; an administrator's own rules stay. */
  remove(): Promise<void>;
  /** remove(), unless a network has its rules. */
  removeIfUnused(): Promise<void>;
}

/** How often rules are listed where no count tells of their changes. */
export const LEGACY_LOOK_MS = 30_000;

class KeptFirewall implements Firewall {
  readonly backend: FirewallBackendName;
  readonly #rules: FirewallBackend;
  readonly #queue = new CommitQueue<FirewallChange>((changes) => this.#perform(changes));
  readonly #socket: NftSocket | undefined;
  readonly #kind: IptablesKind;
  #book = new StateBook();
  /** The last generation at which the kernel held what it should; -1 = not known. */
  #good = -1;
  #lookedAt = 0;

  constructor(name: FirewallBackendName, rules: FirewallBackend, options: BackendOptions) {
    this.backend = name;
    this.#rules = rules;
    this.#socket = options.socket;
    this.#kind = options.kind;
  }

  apply(state: FirewallState): Promise<void> {
    return this.#queue.alone(async () => {
      const book = StateBook.of(state);
      await this.#whole(book);
      this.#book = book;
    });
  }

  adopt(state: FirewallState): Promise<Verification> {
    return this.#queue.alone(async () => {
      const book = StateBook.of(state);
      const found = await this.#repair(book);
      this.#book = book;
      return found;
    });
  }

  change(change: FirewallChange): Promise<void> {
    return this.#queue.submit(change);
  }

  verify(): Promise<Verification> {
    return this.#queue.alone(() => this.#rules.verify(this.#book));
  }

  check(): Promise<Verification | undefined> {
    return this.#queue.alone(async () => {
      const now = await this.#generation();
      const isRecent = Date.now() - this.#lookedAt < LEGACY_LOOK_MS;
      const isSame = now !== -1 && now === this.#good;
      if (isSame && (isRecent || !(await this.#kind.isLegacy()))) return undefined;
      return this.#repair(this.#book);
    });
  }

  repair(): Promise<Verification> {
    return this.#queue.alone(() => this.#repair(this.#book));
  }

  counters(): Promise<readonly PortCounters[]> {
    return this.#queue.alone(() => this.#rules.counters(this.#book));
  }

  list(): Promise<string> {
    return this.#rules.list();
  }

  remove(): Promise<void> {
    return this.#queue.alone(() => this.#remove());
  }

  removeIfUnused(): Promise<void> {
    return this.#queue.alone(async () => {
      if (this.#book.networks.size === 0) await this.#remove();
    });
  }

  async #remove(): Promise<void> {
    await this.#rules.remove();
    this.#book = new StateBook();
    this.#good = -1;
  }

  async #whole(book: StateBook): Promise<void> {
    this.#good = -1;
    await this.#rules.whole(book);
  }

  async #repair(book: StateBook): Promise<Verification> {
    // Asked before the look: what comes in between is seen the next time.
    const before = await this.#generation();
    this.#lookedAt = Date.now();
    const found = await this.#rules.verify(book);
    if (found.ok) this.#good = before;
    else await this.#whole(book);
    return found;
  }

  /** -1 where the kernel cannot be asked. */
  async #generation(): Promise<number> {
    try {
      return (await this.#socket?.generation()) ?? -1;
    } catch (error) {
      if (isEngineError(error, 'kernel_refused')) return -1; // no nf_tables in this kernel
      throw error;
    }
  }

  async #perform(changes: readonly FirewallChange[]): Promise<void> {
    const step = this.#book.note(changes);
    try {
      const made = await this.#rules.step(step, this.#book);
      // Ours alone between the two, and all was well before it: then it is still.
      const alone = made !== undefined && made.after === made.before + 1;
      if (made === undefined) this.#good = -1;
      else if (alone && made.before === this.#good) this.#good = made.after;
    } catch {
      // Somebody flushed what we were to change: the whole state repairs it. Where the change
      // itself is refused, so is the whole state, and that refusal is the answer.
      try {
        await this.#whole(this.#book);
      } catch (error) {
        this.#book.undo(step);
        throw error;
      }
    }
  }
}

export type FirewallOptions = RunnerOptions & {
  readonly backend: FirewallBackendName;
  /** --firewall-table: name of the table, and upper-cased of the chains. */
  readonly table?: string;
  /** Instead of real programs, for tests. */
  readonly programs?: ProgramRunner;
  /** The agent, to speak to the kernel without starting a program for each change. */
  readonly netlink?: NftTarget;
};

export const DEFAULT_TABLE = 'coracle';

/** Opens the firewall with an empty state; nothing is written before apply() or change(). */
export function openFirewall(options: FirewallOptions): Firewall {
  const table = parseTableName(options.table ?? DEFAULT_TABLE);
  const programs = options.programs ?? new Programs(options);
  const socket = options.netlink === undefined ? undefined : new NftSocket(options.netlink, table);
  const backendOptions = { table, programs, socket, kind: new IptablesKind(programs) };
  const rules = FIREWALL_BACKENDS[options.backend](backendOptions);
  return new KeptFirewall(options.backend, rules, backendOptions);
}

/**
 * Removes what an earlier run left and this one does not use: the rules of the other back end, and
 * with `all` also its own. A look at the names of chains, and nothing where there are none.
 */
export async function removeLeftovers(
  options: FirewallOptions & { readonly netlink: NftTarget },
  all: boolean,
): Promise<void> {
  const table = parseTableName(options.table ?? DEFAULT_TABLE);
  const chains = await new NftSocket(options.netlink, table).chains();
  const isLeft: Readonly<Record<FirewallBackendName, boolean>> = {
    nftables: chains.some((chain) => chain.family === 'inet' && chain.table === table),
    iptables: chains.some(({ name }) => name === `${chainPrefix(table)}JUDGE`),
  };
  for (const backend of Object.keys(FIREWALL_BACKENDS) as FirewallBackendName[]) {
    if (!isLeft[backend] || (backend === options.backend && !all)) continue;
    await openFirewall({ ...options, backend }).remove();
  }
}
