// A subnet that the pools chose is chosen again when the host came to use it otherwise (a VPN, a
// Docker that was started later) before the network was ever in the kernel: nobody relies on it
// yet, and two interfaces with one subnet would reach nobody. What a user named stays.
import { overlaps, parseCidr } from '#base/ip-address.ts';
import type { Core } from './core.ts';
import { NETWORKS_LOCK } from './create.ts';
import type { NetworkRecord } from './engine.ts';
import { familyOf, planSubnets, type Subnet } from './ipam/subnet.ts';

const isIdle = (core: Core, record: NetworkRecord): boolean =>
  !core.activity.isUp(record) && core.activity.holds(record) === 0;

/** Whether rechoose() could have anything to do; false costs nothing. */
export const mayRechoose = (core: Core, record: NetworkRecord): boolean =>
  isIdle(core, record) && record.ipam.subnets.some(({ userConfigured }) => !userConfigured);

export async function rechoose(core: Core, id: string): Promise<void> {
  using _lock = await core.locks.acquire(NETWORKS_LOCK);
  const record = core.networks.byId(id);
  if (record === undefined || !mayRechoose(core, record)) return;
  const bridge = core.drivers[record.driver].bridge(record);
  const own = bridge === undefined ? undefined : await core.netlink.link('', bridge);
  const routes = (await core.netlink.routes('')).flatMap(({ to, type, link }) =>
    to === 'default' || type !== 'unicast' || link === own?.index ? [] : [to],
  );
  const taken = routes.map(parseCidr);
  const isTaken = ({ subnet, userConfigured }: Subnet): boolean =>
    !userConfigured && taken.some((route) => overlaps(route, parseCidr(subnet)));
  const good = record.ipam.subnets.filter((subnet) => !isTaken(subnet));
  if (good.length === record.ipam.subnets.length) return;
  const others = core.networks.list().filter((other) => other.id !== id);
  const lost = record.ipam.subnets.filter(isTaken).map(({ subnet }) => familyOf(subnet));
  const fresh = planSubnets({
    families: [...new Set(lost)],
    requests: [],
    pools: core.pools,
    networks: others.flatMap(({ ipam }) => ipam.subnets.map(({ subnet }) => subnet)),
    routes,
    withGateway: core.drivers[record.driver].gateway(record),
  });
  if (!isIdle(core, record)) return;
  await core.networks.put({ ...record, ipam: { ...record.ipam, subnets: [...good, ...fresh] } });
  core.leases.forget(record);
}
