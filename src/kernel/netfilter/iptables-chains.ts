// One set of our iptables chains in the kernel, for one address family or both: written whole or by
// steps, compared, removed. Used by the iptables back end and, for the few rules that open
// another's FORWARD, by the nftables back end.
import type { IpFamily } from '#base/ip-address.ts';
import { compare, type FirewallModel, type Step, type Verification } from './backend.ts';
import { isBare, parseSave, rulesOf, type Saved, tablesOf } from './iptables-read.ts';
import type { RuleSet } from './iptables-rule.ts';
import {
  chainPrefix,
  isFirst,
  modelRules,
  removeText,
  ruleLine,
  stepText,
  wholeText,
  type Writer,
} from './iptables-text.ts';
import type { ProgramRunner } from './run.ts';

/** Seconds that iptables waits for its lock; Docker and firewalld hold it for milliseconds. */
const LOCK_SECONDS_MAX = 10;

export const usesFamily = (model: FirewallModel, family: IpFamily): boolean =>
  family === 4 ||
  [...model.networks.values()].some(({ subnets }) => subnets.some((text) => text.includes(':')));

export class IptablesChains {
  readonly #writer: Writer;
  readonly #programs: ProgramRunner;
  /** Tables that were not there before us; undefined until the first look. */
  #absent: readonly string[] | undefined;
  constructor(programs: ProgramRunner, table: string, set: RuleSet, family: IpFamily) {
    this.#programs = programs;
    this.#writer = { set, family, prefix: chainPrefix(table) };
  }

  get #program(): string {
    return this.#writer.family === 4 ? 'iptables' : 'ip6tables';
  }

  /** The rules of everybody, as iptables-save lists them. */
  async read(): Promise<Saved> {
    const saved = parseSave(await this.#programs.run([`${this.#program}-save`, '-c']));
    const there = tablesOf(saved);
    this.#absent ??= ['raw', 'nat', 'filter'].filter((name) => !there.some((one) => one === name));
    return saved;
  }

  /** Chains of ours that are there, whoever made them. */
  isPresent(saved: Saved): boolean {
    const { set, prefix } = this.#writer;
    return set.chains.some(({ table, name }) => saved.get(table)?.chains.has(prefix + name));
  }

  async whole(model: FirewallModel, saved?: Saved): Promise<void> {
    await this.#restore(wholeText(this.#writer, model, saved ?? (await this.read())));
  }

  async step(step: Step, model: FirewallModel): Promise<void> {
    const text = stepText(this.#writer, step, model);
    if (text !== '') await this.#restore(text);
  }

  compare(model: FirewallModel, saved: Saved): Verification {
    const { set, prefix, family } = this.#writer;
    const wanted = modelRules(this.#writer, model).map((rule) => ruleLine(this.#writer, rule));
    const found: string[] = [];
    for (const { table, name } of set.chains) {
      if (!saved.get(table)?.chains.has(prefix + name)) wanted.push(`chain ${prefix}${name}`);
      if (set.user?.table === table && set.user.name === name) continue;
      for (const { text } of rulesOf(saved, table, prefix + name)) {
        found.push(`${prefix}${name} ${text}`);
      }
    }
    for (const hook of set.hooks(family)) {
      const text = hook.text.replaceAll('@', prefix);
      const present = rulesOf(saved, hook.table, hook.chain).map((rule) => rule.text);
      const at = present.indexOf(text);
      const name = hook.text.replace(/^.*@/, '');
      if (at < 0 || (hook.first && !isFirst(present, at, name)))
        wanted.push(`${hook.chain} ${text}`);
    }
    return compare(wanted, found, []);
  }

  async remove(): Promise<void> {
    const saved = await this.read();
    const text = removeText(this.#writer, saved);
    if (text === '') return;
    await this.#restore(text);
    await this.#removeTables();
  }

  /**
   * iptables-nft makes a table with its base chains when first asked, and never removes it. Where
   * there was none before us, none is left: an empty one is deleted through nft.
   */
  async #removeTables(): Promise<void> {
    const { family } = this.#writer;
    const saved = await this.read();
    for (const name of this.#absent ?? []) {
      const table = saved.get(name);
      if (table === undefined || !isBare(table)) continue;
      const argv = ['nft', 'delete', 'table', family === 4 ? 'ip' : 'ip6', name];
      // Refused where iptables is the old kind, whose tables nft does not know; those are modules
      // of the kernel that stay loaded, and hold nothing.
      await this.#programs.run(argv).catch(() => undefined);
    }
  }

  #restore(text: string): Promise<string> {
    const argv = [`${this.#program}-restore`, '--noflush', '-w', String(LOCK_SECONDS_MAX)];
    return this.#programs.run(argv, text);
  }
}
