// What the kernel holds of one network, read for an explanation: nothing is decided here.
import { readFile } from 'node:fs/promises';
import { isEngineError } from '#base/error.ts';
import type { Firewall, FirewallBackendName } from '#kernel/netfilter/firewall.ts';
import type { AddressState } from '#kernel/netlink/address.ts';
import type { LinkState } from '#kernel/netlink/link-state.ts';
import { isNetlinkError, type Netlink } from '#kernel/netlink/netlink.ts';
import { RT_TABLE, type RouteState } from '#kernel/netlink/route.ts';
import type { Sandbox } from '../engine.ts';
import type { ActiveNetwork, Plug, Plugged } from '../parts.ts';

/** Containers that are looked into; a network may have thousands. */
export const MEMBERS_MAX = 24;

/** What one network namespace holds. */
export type Inside = {
  readonly links: readonly LinkState[];
  readonly addresses: readonly AddressState[];
  /** Of the main table. */
  readonly routes: readonly RouteState[];
};

/** A container on the network. */
export type Member = {
  readonly sandbox: Sandbox;
  readonly plug: Plug;
  /** undefined: it ended while we looked. */
  readonly inside: Inside | undefined;
};

export type NetworkFacts = {
  readonly network: ActiveNetwork;
  readonly host: Inside;
  /** /proc/sys/net/…: "1", or undefined where this kernel has no such key. */
  readonly forwarding: { readonly 4: string | undefined; readonly 6: string | undefined };
  readonly members: readonly Member[];
  /** Containers beyond MEMBERS_MAX. */
  readonly more: number;
  readonly firewall: {
    readonly backend: FirewallBackendName;
    /** As Firewall.list() gives it; empty when there are no rules of ours, or no bridge. */
    readonly listing: string;
    /** Rules that should be there, and warnings about rules of others. */
    readonly amiss: readonly string[];
  };
};

export type Eyes = {
  readonly netlink: Pick<Netlink, 'links' | 'addresses' | 'routes'>;
  readonly firewall: Pick<Firewall, 'backend' | 'list' | 'verify'>;
};

export async function look(
  { netlink, firewall }: Eyes,
  network: ActiveNetwork,
  targets: readonly Plugged[],
): Promise<NetworkFacts> {
  const seen = targets.slice(0, MEMBERS_MAX);
  const host = await lookInside(netlink, '');
  const isUp = host.links.some(({ name }) => name === network.bridge);
  const [members, rules, four, six] = await Promise.all([
    Promise.all(seen.map((target) => memberOf(netlink, network, target))),
    isUp ? lookAtRules(firewall) : { listing: '', amiss: [] },
    sysctl('ipv4/ip_forward'),
    sysctl('ipv6/conf/all/forwarding'),
  ]);
  return {
    network,
    host,
    forwarding: { 4: four, 6: six },
    members: members.flat(),
    more: targets.length - seen.length,
    firewall: { backend: firewall.backend, ...rules },
  };
}

async function memberOf(
  netlink: Eyes['netlink'],
  network: ActiveNetwork,
  { sandbox, plugs }: Plugged,
): Promise<readonly Member[]> {
  const plug = plugs.find(({ endpoint }) => endpoint.networkId === network.record.id);
  if (plug === undefined) return [];
  let inside: Inside | undefined;
  try {
    inside = await lookInside(netlink, sandbox.path);
  } catch (error) {
    if (!isNetlinkError(error)) throw error;
  }
  return [{ sandbox, plug, inside }];
}

async function lookInside(netlink: Eyes['netlink'], namespace: string): Promise<Inside> {
  const [links, addresses, routes] = await Promise.all([
    netlink.links(namespace, { statistics: true }),
    netlink.addresses(namespace),
    netlink.routes(namespace),
  ]);
  return { links, addresses, routes: routes.filter(({ table }) => table === RT_TABLE.MAIN) };
}

async function lookAtRules(firewall: Eyes['firewall']) {
  const listing = (await unlessRefused(firewall.list())) ?? '';
  const verification = await unlessRefused(firewall.verify());
  const missing = (verification?.missing ?? []).map((line) => `missing: ${line}`);
  return { listing, amiss: [...missing, ...(verification?.warnings ?? [])] };
}

/** Refused: no table of ours, because no network was needed yet or somebody removed it. */
async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isEngineError(error, 'kernel_refused') || isEngineError(error, 'unavailable')) return;
    throw error;
  }
}

async function sysctl(key: string): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/sys/net/${key}`, 'latin1')).trim();
  } catch {
    return undefined;
  }
}
