// Reads iptables-save(8), with or without counters.
import { IPTABLES_TABLES, type IptablesTable } from './iptables-rule.ts';

export type SavedRule = {
  readonly chain: string;
  /** After "-A CHAIN". */
  readonly text: string;
  readonly packets: bigint;
};

export type SavedTable = {
  /** Policy of the kernel's chains, "-" of others. */
  readonly chains: ReadonlyMap<string, string>;
  readonly rules: readonly SavedRule[];
};

export type Saved = ReadonlyMap<string, SavedTable>;

const isTable = (name: string): name is IptablesTable =>
  (IPTABLES_TABLES as readonly string[]).includes(name);

export function parseSave(text: string): Saved {
  const tables = new Map<string, SavedTable>();
  let chains = new Map<string, string>();
  let rules: SavedRule[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      chains = new Map();
      rules = [];
      tables.set(line.slice(1), { chains, rules });
    }
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain !== null) chains.set(chain[1] ?? '', chain[2] ?? '');
    const rule = /^(?:\[(\d+):\d+\] )?-A (\S+) ?(.*)$/.exec(line);
    if (rule !== null) {
      rules.push({ chain: rule[2] ?? '', text: rule[3] ?? '', packets: BigInt(rule[1] ?? 0) });
    }
  }
  return tables;
}

export const rulesOf = (saved: Saved, table: string, chain: string): readonly SavedRule[] =>
  saved.get(table)?.rules.filter((rule) => rule.chain === chain) ?? [];

/** Nothing in it that anybody wrote: only the kernel's own chains, empty, with policy ACCEPT. */
export function isBare(table: SavedTable): boolean {
  return (
    table.rules.length === 0 && [...table.chains.values()].every((policy) => policy === 'ACCEPT')
  );
}

/** A rule without a match that ends the walk: what stands behind it is never reached. */
const FINAL_DROP = /^-j (DROP|REJECT( .*)?)$/;

/** Where FORWARD starts to refuse everything (from 1), or undefined when it does not. */
export function forwardDrops(saved: Saved): { readonly position: number } | undefined {
  const rules = rulesOf(saved, 'filter', 'FORWARD');
  const final = rules.findIndex(({ text }) => FINAL_DROP.test(text));
  if (final >= 0) return { position: final + 1 };
  const policy = saved.get('filter')?.chains.get('FORWARD');
  return policy === 'DROP' ? { position: rules.length + 1 } : undefined;
}

/** Names of the tables we use that exist. */
export const tablesOf = (saved: Saved): readonly IptablesTable[] =>
  [...saved.keys()].filter(isTable);
