// The nftables back end (the default): one table of ours, in which a network or a published port is
// a few set elements. One `nft -f` a change.
import type { IpFamily } from '#base/ip-address.ts';
import { isEngineError } from '#base/error.ts';
import {
  type BackendOptions,
  compare,
  type FirewallBackend,
  type FirewallModel,
  type Generations,
  type Step,
  type Verification,
} from './backend.ts';
import {
  type Element,
  type ElementChange,
  ElementLedger,
  linkElement,
  networkElements,
  portElements,
} from './element.ts';
import { IptablesChains, usesFamily } from './iptables-chains.ts';
import type { IptablesKind } from './iptables-kind.ts';
import { forwardDrops, type Saved } from './iptables-read.ts';
import { OPENING_RULES } from './iptables-rule.ts';
import { type ReadChain, readChains, readTable } from './nft-read.ts';
import { CHAINS, SETS } from './nft-schema.ts';
import type { NftSocket, ReadRules } from './nft-socket.ts';
import { changeText, removeText, wholeText } from './nft-text.ts';
import type { ProgramRunner } from './run.ts';
import type { PortCounters } from './state.ts';

const FROM_STDIN = ['nft', '-f', '-'] as const;

const elementLine = ({ set, key, value }: Element): string =>
  `${set} { ${value === undefined ? key : `${key} : ${value}`} }`;

function ledgerOf(model: FirewallModel): ElementLedger {
  const ledger = new ElementLedger();
  const add = (elements: readonly Element[]): void => {
    for (const element of elements) ledger.add(element);
  };
  for (const network of model.networks.values()) add(networkElements(network));
  for (const port of model.ports.values()) {
    const network = model.networks.get(port.network);
    if (network !== undefined) add(portElements(port, network));
  }
  add([...model.links.values()].map(linkElement));
  return ledger;
}

/** The elements that a step removes and adds, in this order. */
function stepElements(step: Step, model: FirewallModel) {
  const gone = new Map(step.removeNetworks.map((network) => [network.id, network]));
  const removed = step.removePorts.flatMap((port) => {
    const network = gone.get(port.network) ?? model.networks.get(port.network);
    return network === undefined ? [] : portElements(port, network);
  });
  const added = step.addPorts.flatMap((port) => {
    const network = model.networks.get(port.network);
    return network === undefined ? [] : portElements(port, network);
  });
  return {
    removed: [
      ...step.removeLinks.map(linkElement),
      ...removed,
      ...step.removeNetworks.flatMap(networkElements),
    ],
    added: [
      ...step.addNetworks.flatMap(networkElements),
      ...added,
      ...step.addLinks.map(linkElement),
    ],
  };
}

export class NftablesBackend implements FirewallBackend {
  readonly #table: string;
  readonly #programs: ProgramRunner;
  readonly #socket: NftSocket | undefined;
  readonly #kind: IptablesKind;
  readonly #opening: Readonly<Record<IpFamily, IptablesChains>>;
  /** Families in which another's FORWARD is opened for our bridges. */
  #opened: ReadonlySet<IpFamily> = new Set();
  /** Whether somebody's FORWARD was looked at for IPv6; for IPv4 it is whenever all is written. */
  #looked6 = false;
  #ledger = new ElementLedger();

  constructor({ table, programs, socket, kind }: BackendOptions) {
    this.#table = table;
    this.#socket = socket;
    this.#kind = kind;
    this.#programs = programs;
    this.#opening = {
      4: new IptablesChains(programs, table, OPENING_RULES, 4),
      6: new IptablesChains(programs, table, OPENING_RULES, 6),
    };
  }

  async whole(model: FirewallModel): Promise<void> {
    const ledger = ledgerOf(model);
    const elements = ledger.elements();
    try {
      await this.#programs.run(FROM_STDIN, wholeText(this.#table, elements));
    } catch (error) {
      if (!isEngineError(error, 'kernel_refused')) throw error;
      // A table of an earlier version may have sets of other types, which cannot be changed.
      await this.#programs.run(FROM_STDIN, wholeText(this.#table, elements, { fresh: true }));
    }
    this.#ledger = ledger;
    await this.#open(model);
  }

  async step(step: Step, model: FirewallModel): Promise<Generations | undefined> {
    const { removed, added } = stepElements(step, model);
    const changes: ElementChange[] = [
      ...removed.flatMap((element) => this.#ledger.remove(element)),
      ...added.flatMap((element) => this.#ledger.add(element)),
    ];
    try {
      const made = await this.#change(changes);
      if (step.addNetworks.length + step.removeNetworks.length === 0) return made;
      for (const family of this.#opened) await this.#opening[family].step(step, model);
      if (!this.#looked6 && usesFamily(model, 6)) await this.#open(model);
      else if (this.#opened.size === 0) return made;
      return undefined;
    } catch (error) {
      for (const element of added) this.#ledger.remove(element);
      for (const element of removed) this.#ledger.add(element);
      throw error;
    }
  }

  async #change(changes: readonly ElementChange[]): Promise<Generations | undefined> {
    if (changes.length === 0) return { before: 0, after: 0 };
    const made = await this.#socket?.change(changes);
    if (made !== undefined) return made;
    await this.#programs.run(FROM_STDIN, changeText(this.#table, changes));
    return undefined;
  }

  async verify(model: FirewallModel): Promise<Verification> {
    const ledger = ledgerOf(model);
    const { table, chains } = await this.#read();
    const wanted = ledger.elements().map(elementLine);
    const found = (table?.elements ?? []).map(elementLine);
    for (const { name } of SETS) if (!table?.sets.has(name)) wanted.push(`set ${name}`);
    for (const { name, rules, foreign } of CHAINS) {
      const count = table?.chains.get(name);
      if (count === undefined) wanted.push(`chain ${name}`);
      if (foreign === true || count === undefined) continue;
      // Rules are only ever written whole, so their number tells whether they are ours.
      wanted.push(`${rules.length} rules in chain ${name}`);
      found.push(`${count} rules in chain ${name}`);
    }
    const { missing, unexpected } = compare(wanted, found, []);
    const closed = await this.#verifyOpening(model, chains);
    const all = [...missing, ...closed];
    const ok = all.length + unexpected.length === 0;
    if (ok) this.#ledger = ledger;
    return { ok, missing: all, unexpected, warnings: warningsOf(chains) };
  }

  async counters(model: FirewallModel): Promise<readonly PortCounters[]> {
    const { table } = await this.#read();
    const read = new Map(table?.elements.map((one) => [ElementLedger.keyOf(one), one]));
    return [...model.ports.values()].map((port) => {
      const network = model.networks.get(port.network);
      const elements = network === undefined ? [] : portElements(port, network);
      const ofSet = (pattern: RegExp) => {
        const element = elements.find(({ set }) => pattern.test(set));
        return element === undefined ? undefined : read.get(ElementLedger.keyOf(element));
      };
      const traffic = ofSet(/^traffic/);
      return {
        port,
        connections: ofSet(/^(any|one)/)?.packets ?? 0n,
        ...(traffic === undefined ? {} : { packets: traffic.packets, bytes: traffic.bytes }),
      };
    });
  }

  list(): Promise<string> {
    return this.#programs.run(['nft', 'list', 'table', 'inet', this.#table]);
  }

  async remove(): Promise<void> {
    await this.#programs.run(FROM_STDIN, removeText(this.#table));
    this.#ledger = new ElementLedger();
    const chains = await this.#chains();
    for (const family of [4, 6] as const) {
      const saved = await this.#readIptables(family, chains);
      if (saved !== undefined && this.#opening[family].isPresent(saved)) {
        await this.#opening[family].remove();
      }
    }
    this.#opened = new Set();
  }

  async #read(): Promise<ReadRules> {
    if (this.#socket !== undefined) {
      try {
        return await this.#socket.read();
      } catch (error) {
        // Too much for one answer, or rules that never hold still: nft reads them in its own time.
        if (!isEngineError(error, 'kernel_refused') && !isEngineError(error, 'unavailable'))
          throw error;
      }
    }
    const chains = readChains(await this.#programs.run(['nft', '-j', 'list', 'chains']));
    try {
      const argv = ['nft', '-j', '-n', 'list', 'table', 'inet', this.#table];
      return { table: readTable(await this.#programs.run(argv)), chains };
    } catch (error) {
      if (isEngineError(error, 'kernel_refused')) return { table: undefined, chains };
      throw error;
    }
  }

  /** Undefined where reading them would start one program to spare another. */
  async #chains(): Promise<readonly ReadChain[] | undefined> {
    return this.#socket === undefined ? undefined : (await this.#read()).chains;
  }

  /** Undefined where iptables is not installed or not in the kernel: then nobody's rules drop. */
  async #readIptables(
    family: IpFamily,
    chains: readonly ReadChain[] | undefined,
  ): Promise<Saved | undefined> {
    try {
      if (chains !== undefined && !(await this.#mayDrop(family, chains))) return undefined;
      return await this.#opening[family].read();
    } catch (error) {
      if (isEngineError(error, 'unavailable') || isEngineError(error, 'kernel_refused')) {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * The chains of iptables-nft are among all others; where its FORWARD is not, nothing has to be
   * read. The tables of iptables-legacy are seen by that program only.
   */
  async #mayDrop(family: IpFamily, chains: readonly ReadChain[]): Promise<boolean> {
    if (await this.#kind.isLegacy()) return true;
    const name = family === 4 ? 'ip' : 'ip6';
    return chains.some(
      (one) => one.family === name && one.table === 'filter' && one.name === 'FORWARD',
    );
  }

  /** Where somebody's iptables FORWARD drops, our bridges are accepted there. */
  async #open(model: FirewallModel): Promise<void> {
    const opened = new Set<IpFamily>();
    const chains = await this.#chains();
    for (const family of [4, 6] as const) {
      if (!usesFamily(model, family) && !this.#opened.has(family)) continue;
      if (family === 6) this.#looked6 = true;
      const saved = await this.#readIptables(family, chains);
      if (saved === undefined) continue;
      if (forwardDrops(saved) !== undefined) {
        await this.#opening[family].whole(model, saved);
        opened.add(family);
      } else if (this.#opening[family].isPresent(saved)) await this.#opening[family].remove();
    }
    this.#opened = opened;
  }

  async #verifyOpening(
    model: FirewallModel,
    chains: readonly ReadChain[],
  ): Promise<readonly string[]> {
    const missing: string[] = [];
    const opened = new Set<IpFamily>();
    for (const family of [4, 6] as const) {
      if (!usesFamily(model, family)) continue;
      if (family === 6) this.#looked6 = true;
      const saved = await this.#readIptables(family, chains);
      if (saved === undefined || forwardDrops(saved) === undefined) continue;
      opened.add(family);
      const { missing: rules, unexpected } = this.#opening[family].compare(model, saved);
      missing.push(...[...rules, ...unexpected].map((line) => `IPv${family} ${line}`));
    }
    if (missing.length === 0) this.#opened = opened;
    return missing;
  }
}

/** Base chains of other nft tables that drop by policy: no accept of ours can overrule them. */
function warningsOf(chains: readonly ReadChain[]): readonly string[] {
  return chains
    .filter(({ hook, policy }) => hook === 'forward' && policy === 'drop')
    .filter(({ family, table }) => !(/^ip6?$/.test(family) && table === 'filter'))
    .map(({ family, table, name }) => `nft chain ${family} ${table} ${name} drops by policy`);
}
