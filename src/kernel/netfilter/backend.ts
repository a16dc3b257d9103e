// What a way to write rules must do: the nftables and the iptables back end are the same to the
// firewall, and test/root/firewall.test.ts holds both to it.
import type { IptablesKind } from './iptables-kind.ts';
import type { NftSocket } from './nft-socket.ts';
import type { ProgramRunner } from './run.ts';
import type { FirewallNetwork, LinkedPort, PortCounters, PublishedPort } from './state.ts';

/** What the kernel holds, compared with what it should. */
export type Verification = {
  readonly ok: boolean;
  /** Ours and not there: somebody flushed or reloaded. */
  readonly missing: readonly string[];
  /** In our table or chains and not of this state: left by an earlier run, or edited by hand. */
  readonly unexpected: readonly string[];
  /** Rules of other software that drop what we let through, which we cannot repair. */
  readonly warnings: readonly string[];
};

/** What to remove and add. Removals come first, so that a key can go and come in one step. */
export type Step = {
  readonly removeLinks: readonly LinkedPort[];
  readonly removePorts: readonly PublishedPort[];
  readonly removeNetworks: readonly FirewallNetwork[];
  readonly addNetworks: readonly FirewallNetwork[];
  readonly addPorts: readonly PublishedPort[];
  readonly addLinks: readonly LinkedPort[];
};

/** Checked and canonical; a port's network is always among the networks. */
export type FirewallModel = {
  /** By id. */
  readonly networks: ReadonlyMap<string, FirewallNetwork>;
  /** By portKey(). */
  readonly ports: ReadonlyMap<string, PublishedPort>;
  /** By linkKey(). */
  readonly links: ReadonlyMap<string, LinkedPort>;
};

/** Numbers that the kernel gave to the rules of everybody before and after a change of ours. */
export type Generations = { readonly before: number; readonly after: number };

/** Each method is all or nothing; none is called while another runs, but list(). */
export interface FirewallBackend {
  /** Replaces whatever of ours the kernel holds. */
  whole(model: FirewallModel): Promise<void>;
  /**
   * Brings the model's last step. May refuse when the kernel was changed behind our back. Answers
   * the generations where it was one transaction, undefined where that is not known.
   */
  step(step: Step, model: FirewallModel): Promise<Generations | undefined>;
  verify(model: FirewallModel): Promise<Verification>;
  counters(model: FirewallModel): Promise<readonly PortCounters[]>;
  /** Our rules as the kernel holds them, with counters. */
  list(): Promise<string>;
  remove(): Promise<void>;
}

export type BackendOptions = {
  readonly table: string;
  readonly programs: ProgramRunner;
  /** The fast way; without it all goes by programs. */
  readonly socket: NftSocket | undefined;
  readonly kind: IptablesKind;
};

/** Of a comparison: the two differences, and whether both are empty. */
export function compare(
  wanted: readonly string[],
  found: readonly string[],
  warnings: readonly string[],
): Verification {
  const left = new Map<string, number>();
  for (const line of found) left.set(line, (left.get(line) ?? 0) + 1);
  const missing = wanted.filter((line) => {
    const count = left.get(line) ?? 0;
    if (count > 0) left.set(line, count - 1);
    return count === 0;
  });
  const unexpected = [...left].flatMap(([line, count]) => new Array<string>(count).fill(line));
  return { ok: missing.length + unexpected.length === 0, missing, unexpected, warnings };
}
