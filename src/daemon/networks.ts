// The wiring of networks: drivers, ports, names and limits over the agent.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '#base/log.ts';
import type { UndoReport } from '#base/undo.ts';
import type { Publisher } from '#event/event.ts';
import type { NativeAgent } from '#kernel/native/agent.ts';
import { DEFAULT_TABLE } from '#kernel/netfilter/firewall.ts';
import { Netlink } from '#kernel/netlink/netlink.ts';
import { makeDrivers } from '#network/driver/drivers.ts';
import { makeExplainer } from '#network/explain/explain.ts';
import { ulaPool } from '#network/ipam/pool.ts';
import { NameService } from '#network/names/service.ts';
import { Ports } from '#network/port/ports.ts';
import { Rates } from '#network/rate.ts';
import { NetworkService } from '#network/service.ts';
import type { Config } from './config.ts';
import { tagOf, withOwnTag } from './own-name.ts';

export type NetworkNeeds = {
  readonly config: Config;
  readonly agent: NativeAgent;
  readonly nativePath: string;
  readonly events: Publisher;
  readonly report: UndoReport;
  readonly log: Log;
};

const DEFAULT_BRIDGE = 'coracle0';

export type Networks = AsyncDisposable & { readonly service: NetworkService };

function tableOf({ dataRoot, network }: Config): string {
  if (network.firewallTable !== '') return network.firewallTable;
  return withOwnTag(DEFAULT_TABLE, dataRoot);
}

function bridgeOf({ dataRoot, network }: Config): string {
  const { bridge } = network.defaultBridge;
  if (bridge !== '') return bridge;
  const tag = tagOf(dataRoot);
  return tag === undefined ? DEFAULT_BRIDGE : `co-${tag}-0`;
}

/** machine-id(5); hosts without are told apart by their random data root only. */
function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'latin1').trim();
  } catch {
    return '';
  }
}

export async function openNetworks(needs: NetworkNeeds): Promise<Networks> {
  const { config, agent, nativePath, events, report, log } = needs;
  const { network } = config;
  const netlink = new Netlink(agent);
  const hostHasIpv6 = existsSync('/proc/sys/net/ipv6');
  await using parts = new AsyncDisposableStack();
  const names = parts.use(
    new NameService({
      relayPath: join(config.execRoot, 'dns.sock'),
      nativePath,
      defaults: {
        ...(network.dns.servers === undefined ? {} : { servers: network.dns.servers }),
        ...(network.dns.search === undefined ? {} : { search: network.dns.search }),
        ...(network.dns.options === undefined ? {} : { options: network.dns.options }),
      },
      report: (error) => report('answer names', error),
    }),
  );
  const ports = parts.use(
    new Ports({
      backend: network.firewallBackend,
      table: tableOf(config),
      agent,
      nativePath,
      log,
      nameOf: (id) => service.sandbox(id)?.containerName,
    }),
  );
  const service = await NetworkService.open({
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    drivers: makeDrivers({
      agent,
      netlink,
      mayForward: network.mayForward,
      hostHasIpv6,
      tell: (what) => log.info('changed a setting of the host', { what }),
    }),
    netlink,
    ports,
    names,
    rates: new Rates(netlink),
    explainer: makeExplainer({ netlink, firewall: ports.firewall }),
    events,
    report,
    // The data root's path tells daemons of one host apart, and is the same for every start.
    pools: [...network.pools, ulaPool(`${config.dataRoot} ${machineId()}`)],
    defaultBridge: { ...network.defaultBridge, bridge: bridgeOf(config) },
    hostGateways: network.hostGateways,
    defaultOptions: network.defaultOptions,
    hostHasIpv6,
  });
  const all = parts.move();
  return { service, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
