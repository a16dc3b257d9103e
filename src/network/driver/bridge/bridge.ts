// The bridge driver: a bridge of the host a network, a veth pair an endpoint. Rules and published
// ports are not here; they belong to the firewall, which goes by the bridge's name.
import { randomBytes } from 'node:crypto';
import { EngineError } from '#base/error.ts';
import type { Agent } from '#kernel/native/native.ts';
import { planRemoval } from '#kernel/netlink/endpoint.ts';
import { deleteLink, getLink, setLink } from '#kernel/netlink/link.ts';
import { decodeLinks, type LinkState } from '#kernel/netlink/link-state.ts';
import { isNetlinkError, type Netlink } from '#kernel/netlink/netlink.ts';
import type { NetworkRecord } from '../../engine.ts';
import { macFromIp, macFromRandom } from '../../ipam/mac.ts';
import { familyOf } from '../../ipam/subnet.ts';
import type { EndpointPlan, NetworkDriver } from '../driver.ts';
import { forward4, forward6 } from './forwarding.ts';
import { type BridgeSettings, OPTION, parseBridge } from './options.ts';
import {
  ALIAS_PREFIX,
  aliasOf,
  defaultRoutes,
  hostInterfaceOf,
  planBridge,
  planEndpoint,
  planReplug,
  planSettings,
} from './plan.ts';

const MAC_BYTES = 6;

export type BridgeDeps = {
  readonly agent: Pick<Agent, 'perform'>;
  readonly netlink: Netlink;
  /** --ip-forward: whether forwarding may be switched on. */
  readonly mayForward: boolean;
  readonly hostHasIpv6: boolean;
  /** Hears what settings of the host were changed, and why. */
  readonly tell: (what: string) => void;
};

class BridgeDriver implements NetworkDriver {
  readonly name = 'bridge';
  readonly addresses = true;
  readonly #deps: BridgeDeps;
  /** Index of the bridge by network. */
  readonly #active = new Map<string, number>();

  constructor(deps: BridgeDeps) {
    this.#deps = deps;
  }

  #indexOf(record: NetworkRecord): number {
    const index = this.#active.get(record.id);
    if (index !== undefined) return index;
    throw new EngineError('internal', `network ${record.name} was not activated`);
  }

  gateway(): boolean {
    return true;
  }

  leadsOut(record: NetworkRecord): boolean {
    return !record.internal;
  }

  routes(_record: NetworkRecord, plan: EndpointPlan) {
    return defaultRoutes(plan);
  }

  async validate(record: NetworkRecord, others: readonly NetworkRecord[]): Promise<void> {
    const settings = parseBridge(record);
    const { bridge, gatewayMode4, gatewayMode6 } = settings;
    for (const other of others) {
      if (other.id === record.id || other.driver !== 'bridge') continue;
      if (parseBridge(other).bridge !== bridge) continue;
      throw new EngineError(
        'forbidden',
        `cannot create network ${record.id} (${bridge}): conflicts with network ${other.id} ` +
          `(${bridge}): networks have same bridge name`,
      );
    }
    if (!record.internal && (gatewayMode4 === 'isolated' || gatewayMode6 === 'isolated')) {
      throw new EngineError(
        'invalid_argument',
        "gateway mode 'isolated' can only be used for an internal network",
      );
    }
    if (record.ipv6 && !this.#deps.hostHasIpv6) {
      throw new EngineError('invalid_argument', 'this kernel has no IPv6 (CONFIG_IPV6)');
    }
    const { netlink } = this.#deps;
    await checkFree(netlink, record, await netlink.link('', bridge));
  }

  validateWish(): void {}

  /** With the address: a neighbour that knew the last container keeps knowing the next. */
  mac(_record: NetworkRecord, ip: string | undefined): string {
    return ip === undefined ? macFromRandom(randomBytes(MAC_BYTES)) : macFromIp(ip);
  }

  bridge(record: NetworkRecord): string {
    return parseBridge(record).bridge;
  }

  hostInterface(endpointId: string): string {
    return hostInterfaceOf(endpointId);
  }

  async activate(record: NetworkRecord, options: { readonly again: boolean }): Promise<boolean> {
    if (!options.again && this.#active.has(record.id)) return false;
    const { netlink, hostHasIpv6 } = this.#deps;
    const settings = parseBridge(record);
    const found = await netlink.link('', settings.bridge);
    await checkFree(netlink, record, found);
    await this.#forward(record, settings);
    const link = found ?? (await this.#make(record, settings));
    const { index } = link;
    const present = (await netlink.addresses(''))
      .filter((one) => one.link === index && one.scope === 'global')
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
    const isOurs = link.alias?.startsWith(ALIAS_PREFIX) === true || found === undefined;
    if (isAnothers(record, link)) {
      await netlink.exchange('', [setLink(index, { alias: aliasOf(record) })]);
    }
    try {
      await netlink.perform(
        planSettings(record, settings, { index, isOurs, present, hostHasIpv6 }),
      );
    } catch (error) {
      if (found === undefined) await this.deactivate(record);
      throw error;
    }
    const before = this.#active.get(record.id);
    this.#active.set(record.id, index);
    return found === undefined || (before !== undefined && before !== index);
  }

  async #forward(record: NetworkRecord, settings: BridgeSettings): Promise<void> {
    const { mayForward } = this.#deps;
    if (!mayForward || record.internal) return;
    if (record.ipv4 && settings.gatewayMode4 !== 'isolated') await forward4(this.#deps);
    if (record.ipv6 && settings.gatewayMode6 !== 'isolated') await forward6(this.#deps);
  }

  async #make(record: NetworkRecord, settings: BridgeSettings): Promise<LinkState> {
    const gateway = record.ipam.subnets
      .map((subnet) => subnet.gateway ?? '')
      .find((ip) => ip !== '' && familyOf(ip) === 4);
    const batch = planBridge(record, settings, this.mac(record, gateway));
    const [result] = await this.#deps.netlink.perform([batch]);
    const link = decodeLinks(result?.answers ?? [])[0];
    if (link === undefined) throw new EngineError('internal', 'the kernel made no bridge');
    return link;
  }

  async deactivate(record: NetworkRecord): Promise<void> {
    const { netlink } = this.#deps;
    this.#active.delete(record.id);
    const link = await netlink.link('', parseBridge(record).bridge);
    if (link === undefined || link.alias !== aliasOf(record)) return;
    try {
      await netlink.exchange('', [deleteLink(link.index)]);
    } catch (error) {
      if (!isNetlinkError(error, 'ENODEV')) throw error;
    }
  }

  planAttach(record: NetworkRecord, plan: EndpointPlan) {
    return planEndpoint(plan, parseBridge(record), this.#indexOf(record));
  }

  planReplug(record: NetworkRecord, { endpoint }: EndpointPlan) {
    return planReplug(endpoint, parseBridge(record), this.#indexOf(record));
  }

  planDetach(_record: NetworkRecord, { namespace, endpoint }: EndpointPlan) {
    return [{ namespace, messages: [deleteLink(endpoint.index)] }];
  }

  planQuiesce(_record: NetworkRecord, { endpoint }: EndpointPlan) {
    return planRemoval(hostInterfaceOf(endpoint.id));
  }

  async verify(record: NetworkRecord, { namespace, endpoint }: EndpointPlan): Promise<boolean> {
    try {
      const [inside, outside] = await this.#deps.netlink.perform([
        { namespace, messages: [getLink(endpoint.index)] },
        { namespace: '', messages: [getLink(hostInterfaceOf(endpoint.id))] },
      ]);
      const here = decodeLinks(inside?.answers ?? [])[0];
      const there = decodeLinks(outside?.answers ?? [])[0];
      const isPair = here?.kind === 'veth' && there?.parent === endpoint.index;
      return isPair && there?.up === true && there.master === this.#active.get(record.id);
    } catch (error) {
      if (isNetlinkError(error)) return false;
      throw error;
    }
  }
}

/**
 * Somebody else's interface is never taken: neither one that is no bridge, nor another network's.
 */
async function checkFree(
  netlink: Netlink,
  record: NetworkRecord,
  link: LinkState | undefined,
): Promise<void> {
  if (link === undefined) return;
  const refuse = (why: string): never => {
    throw new EngineError(
      'conflict',
      `interface ${link.name} of the host ${why}, so network ${record.name} cannot use it: ` +
        `choose another ${OPTION.bridgeName}`,
    );
  };
  if (link.kind !== 'bridge') refuse(`is no bridge (${link.kind ?? 'hardware'})`);
  if (!isAnothers(record, link)) return;
  // A data root that is gone may have left it, with nobody in it.
  const ports = (await netlink.links('')).filter(({ master }) => master === link.index);
  if (ports.length > 0) refuse(`is the bridge of another network (${link.alias})`);
}

const isAnothers = (record: NetworkRecord, { alias }: LinkState): boolean =>
  alias !== aliasOf(record) && alias?.startsWith(ALIAS_PREFIX) === true;

export function makeBridge(deps: BridgeDeps): NetworkDriver {
  return new BridgeDriver(deps);
}
