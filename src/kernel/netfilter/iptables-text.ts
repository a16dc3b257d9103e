// Text for `iptables-restore --noflush`: each table is one transaction (iptables-restore(8)).
import type { IpFamily } from '#base/ip-address.ts';
import type { FirewallModel, Step } from './backend.ts';
import { type Saved, forwardDrops, rulesOf } from './iptables-read.ts';
import {
  type Hook,
  IPTABLES_TABLES,
  type IptablesTable,
  type Rule,
  type RuleSet,
} from './iptables-rule.ts';

/** The chain's prefix: CORACLE- for the table "coracle". */
export const chainPrefix = (table: string): string => `${table.toUpperCase()}-`;

export type Writer = { readonly set: RuleSet; readonly prefix: string; readonly family: IpFamily };

/** Full text of a rule: `@NAME` becomes our chain. */
const textOf = (writer: Writer, rule: Rule): string => rule.text.replaceAll('@', writer.prefix);

export const ruleLine = (writer: Writer, rule: Rule): string =>
  `${writer.prefix}${rule.chain} ${textOf(writer, rule)}`;

export function modelRules(writer: Writer, model: FirewallModel): readonly Rule[] {
  const { set, family } = writer;
  const rules = [...set.fixed];
  for (const network of model.networks.values()) rules.push(...set.network(network, family));
  for (const port of model.ports.values()) {
    const network = model.networks.get(port.network);
    if (network !== undefined) rules.push(...set.port(port, network, family));
  }
  for (const link of model.links.values()) rules.push(...set.link(link, family));
  return rules;
}

/** Lines by table, in one restore; tables without lines are left out. */
function restoreText(lines: readonly (readonly [IptablesTable, string])[]): string {
  return IPTABLES_TABLES.flatMap((table) => {
    const own = lines.filter(([of]) => of === table).map(([, line]) => `${line}\n`);
    return own.length === 0 ? [] : [`*${table}\n`, ...own, 'COMMIT\n'];
  }).join('');
}

type Line = readonly [IptablesTable, string];

/**
 * Whether a jump of ours to `@NAME` at `index` comes before the rules of others. Another engine of
 * ours may stand before it: its chains judge its own bridges only, and two engines that each want
 * to be first would push each other away for ever. Docker's chain is not of that kind: it accepts
 * whatever comes from its bridges, also to ours.
 */
export function isFirst(present: readonly string[], index: number, name: string): boolean {
  const sister = new RegExp(`^-j (?!DOCKER-)[A-Z][A-Z0-9_]*-${name}$`);
  return present.slice(0, index).every((text) => sister.test(text));
}

/** Puts the jump where it belongs; one that stands elsewhere is moved. */
function hookLines(writer: Writer, hook: Hook, saved: Saved): readonly Line[] {
  const text = textOf(writer, hook);
  const present = rulesOf(saved, hook.table, hook.chain);
  const texts = present.map((rule) => rule.text);
  const at = texts.flatMap((one, index) => (one === text ? [index] : []));
  const drops = hook.table === 'filter' && !hook.first ? forwardDrops(saved) : undefined;
  const reached = drops === undefined || (at[0] ?? 0) < drops.position - 1;
  const name = hook.text.replace(/^.*@/, '');
  const placed = hook.first ? isFirst(texts, at[0] ?? 0, name) : reached;
  if (at.length === 1 && placed) return [];
  const lines: Line[] = at.map(() => [hook.table, `-D ${hook.chain} ${text}`]);
  if (hook.first) lines.push([hook.table, `-I ${hook.chain} ${text}`]);
  else if (drops === undefined) lines.push([hook.table, `-A ${hook.chain} ${text}`]);
  else {
    const position = drops.position - at.filter((index) => index < drops.position - 1).length;
    lines.push([hook.table, `-I ${hook.chain} ${position} ${text}`]);
  }
  return lines;
}

/** Everything of ours anew; `saved` tells which jumps and which user chain are there. */
export function wholeText(writer: Writer, model: FirewallModel, saved: Saved): string {
  const { set, prefix, family } = writer;
  const lines: Line[] = [];
  for (const { table, name } of set.chains) {
    const isUser = set.user?.table === table && set.user.name === name;
    // Declaring a chain empties it, also with --noflush.
    const kept = isUser && saved.get(table)?.chains.has(prefix + name) === true;
    if (!kept) lines.push([table, `:${prefix}${name} - [0:0]`]);
  }
  for (const rule of modelRules(writer, model)) {
    lines.push([rule.table, `-A ${ruleLine(writer, rule)}`]);
  }
  for (const hook of set.hooks(family)) lines.push(...hookLines(writer, hook, saved));
  return restoreText(lines);
}

/** Only what comes and goes. */
export function stepText(writer: Writer, step: Step, model: FirewallModel): string {
  const { set, family } = writer;
  const lines: Line[] = [];
  const write = (verb: '-A' | '-D', rules: readonly Rule[]): void => {
    for (const rule of rules) lines.push([rule.table, `${verb} ${ruleLine(writer, rule)}`]);
  };
  for (const link of step.removeLinks) write('-D', set.link(link, family));
  const gone = new Map(step.removeNetworks.map((network) => [network.id, network]));
  for (const port of step.removePorts) {
    const network = gone.get(port.network) ?? model.networks.get(port.network);
    if (network !== undefined) write('-D', set.port(port, network, family));
  }
  for (const network of step.removeNetworks) write('-D', set.network(network, family));
  for (const network of step.addNetworks) write('-A', set.network(network, family));
  for (const port of step.addPorts) {
    const network = model.networks.get(port.network);
    if (network !== undefined) write('-A', set.port(port, network, family));
  }
  for (const link of step.addLinks) write('-A', set.link(link, family));
  return restoreText(lines);
}

/** Takes our jumps and chains out. A user chain with rules stays: they are not ours. */
export function removeText(writer: Writer, saved: Saved): string {
  const { set, prefix, family } = writer;
  const lines: Line[] = [];
  for (const hook of set.hooks(family)) {
    const text = textOf(writer, hook);
    for (const rule of rulesOf(saved, hook.table, hook.chain)) {
      if (rule.text === text) lines.push([hook.table, `-D ${hook.chain} ${text}`]);
    }
  }
  const there = set.chains.filter(({ table, name }) => saved.get(table)?.chains.has(prefix + name));
  const leaving = there.filter(({ table, name }) => {
    const isUser = set.user?.table === table && set.user.name === name;
    return !isUser || rulesOf(saved, table, prefix + name).length === 0;
  });
  for (const { table, name } of leaving) lines.push([table, `-F ${prefix}${name}`]);
  for (const { table, name } of leaving) lines.push([table, `-X ${prefix}${name}`]);
  return restoreText(lines);
}
