// Every driver, by its name.
import type { NetworkDriverName } from '../engine.ts';
import { type BridgeDeps, makeBridge } from './bridge/bridge.ts';
import type { NetworkDriver } from './driver.ts';
import { makeIpvlan } from './ipvlan/ipvlan.ts';
import { makeMacvlan } from './macvlan/macvlan.ts';
import { makeEndless } from './none/none.ts';
import { Parents } from './parent.ts';

export type NetworkDrivers = Readonly<Record<NetworkDriverName, NetworkDriver>>;

export function makeDrivers(deps: BridgeDeps): NetworkDrivers {
  const { netlink } = deps;
  const parents = new Parents(netlink);
  return {
    bridge: makeBridge(deps),
    host: makeEndless('host'),
    null: makeEndless('null'),
    macvlan: makeMacvlan({ netlink, parents }),
    ipvlan: makeIpvlan({ netlink, parents }),
  };
}
