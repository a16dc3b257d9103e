// The iptables back end (--firewall-backend=iptables): for hosts whose administrator reads and
// writes iptables. One iptables-restore a family and change; CORACLE-USER is asked first.
import type { IpFamily } from '#base/ip-address.ts';
import type {
  BackendOptions,
  FirewallBackend,
  FirewallModel,
  Step,
  Verification,
} from './backend.ts';
import { IptablesChains, usesFamily } from './iptables-chains.ts';
import { rulesOf } from './iptables-read.ts';
import { FULL_RULES, listenerRule } from './iptables-rule.ts';
import { chainPrefix } from './iptables-text.ts';
import type { ProgramRunner } from './run.ts';
import { familyOf, type PortCounters } from './state.ts';

const FAMILIES = [4, 6] as const;

export class IptablesBackend implements FirewallBackend {
  readonly #chains: Readonly<Record<IpFamily, IptablesChains>>;
  readonly #programs: ProgramRunner;
  readonly #prefix: string;
  /** IPv6 is left alone until a network has it. */
  #six = false;

  constructor({ table, programs }: BackendOptions) {
    this.#programs = programs;
    this.#prefix = chainPrefix(table);
    this.#chains = {
      4: new IptablesChains(programs, table, FULL_RULES, 4),
      6: new IptablesChains(programs, table, FULL_RULES, 6),
    };
  }

  async whole(model: FirewallModel): Promise<void> {
    await this.#chains[4].whole(model);
    if (usesFamily(model, 6)) await this.#chains[6].whole(model);
    // What an earlier run of a state with IPv6 left.
    else await this.#removeSix();
    this.#six = usesFamily(model, 6);
  }

  async step(step: Step, model: FirewallModel): Promise<undefined> {
    await this.#chains[4].step(step, model);
    if (this.#six) await this.#chains[6].step(step, model);
    else if (usesFamily(model, 6)) await this.#chains[6].whole(model);
    this.#six ||= usesFamily(model, 6);
  }

  async verify(model: FirewallModel): Promise<Verification> {
    const found: Verification[] = [];
    for (const family of FAMILIES) {
      if (!usesFamily(model, family)) continue;
      const chains = this.#chains[family];
      found.push(chains.compare(model, await chains.read()));
    }
    const ok = found.every((one) => one.ok);
    if (ok) this.#six = usesFamily(model, 6);
    return {
      ok,
      missing: found.flatMap((one) => one.missing),
      unexpected: found.flatMap((one) => one.unexpected),
      warnings: [],
    };
  }

  async counters(model: FirewallModel): Promise<readonly PortCounters[]> {
    const packets = new Map<string, bigint>();
    for (const family of FAMILIES) {
      if (!usesFamily(model, family)) continue;
      const saved = await this.#chains[family].read();
      for (const rule of rulesOf(saved, 'nat', `${this.#prefix}PUBLISH`)) {
        packets.set(`${family} ${rule.text}`, rule.packets);
      }
    }
    return [...model.ports.values()].map((port) => {
      const network = model.networks.get(port.network);
      const rule = network === undefined ? undefined : listenerRule(port, network);
      const key = `${familyOf(port.ip)} ${rule?.text}`;
      // A packet that is translated opens a connection: later ones follow the connection.
      return { port, connections: packets.get(key) ?? 0n };
    });
  }

  async list(): Promise<string> {
    const lines: string[] = [];
    for (const program of ['iptables-save', 'ip6tables-save']) {
      if (program === 'ip6tables-save' && !this.#six) continue;
      let table = '';
      for (const line of (await this.#programs.run([program, '-c'])).split('\n')) {
        if (line.startsWith('*')) table = line;
        if (!line.includes(this.#prefix) || line.startsWith(':')) continue;
        lines.push(`${program.replace('-save', '')} -t ${table.slice(1)} ${line}`);
      }
    }
    return lines.join('\n');
  }

  async remove(): Promise<void> {
    await this.#chains[4].remove();
    await this.#removeSix();
    this.#six = false;
  }

  async #removeSix(): Promise<void> {
    if (this.#six) return await this.#chains[6].remove();
    // Never used by us in this run: then a host without ip6tables is as good as one without rules.
    await this.#chains[6].remove().catch(() => undefined);
  }
}
