// The macvlan driver: each container has a MAC of its own on the link of its parent, as a machine
// beside the host. Options and texts are Docker's.
import { randomBytes } from 'node:crypto';
import { EngineError } from '#base/error.ts';
import { MACVLAN_MODE } from '#kernel/netlink/link-kind.ts';
import type { Netlink } from '#kernel/netlink/netlink.ts';
import type { NetworkRecord } from '../../engine.ts';
import { macFromIp, macFromRandom } from '../../ipam/mac.ts';
import type { NetworkDriver } from '../driver.ts';
import type { Parents } from '../parent.ts';
import { makeSubordinate } from '../subordinate.ts';

type Mode = keyof typeof MACVLAN_MODE;

function isMode(text: string): text is Mode {
  return Object.hasOwn(MACVLAN_MODE, text);
}

function modeOf({ options }: Pick<NetworkRecord, 'options'>): Mode {
  const mode = options.macvlan_mode ?? '';
  if (mode === '') return 'bridge';
  if (isMode(mode)) return mode;
  throw new EngineError(
    'invalid_argument',
    `requested macvlan mode ${JSON.stringify(mode).replaceAll('"', "'")} is not valid, ` +
      "'bridge' mode is the macvlan driver default",
  );
}

/** Networks may share a parent, but passthru takes it whole; and an ipvlan excludes macvlans. */
function share(record: NetworkRecord, other: NetworkRecord, parent: string): void {
  if (other.driver === 'ipvlan') {
    throw new EngineError(
      'forbidden',
      `ipvlan network ${other.id} is already using parent interface ${parent}: ` +
        'an interface carries macvlan or ipvlan, not both',
    );
  }
  if (other.driver !== 'macvlan') return;
  if (modeOf(record) === 'passthru') {
    throw new EngineError(
      'forbidden',
      `cannot use mode passthru, macvlan network ${other.id} ` +
        `is already using parent interface ${parent}`,
    );
  }
  if (modeOf(other) === 'passthru') {
    throw new EngineError(
      'forbidden',
      `macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`,
    );
  }
}

export function makeMacvlan(deps: {
  readonly netlink: Netlink;
  readonly parents: Parents;
}): NetworkDriver {
  return makeSubordinate(
    {
      name: 'macvlan',
      link: (record) => ({ kind: 'macvlan', mode: modeOf(record) }),
      share,
      gateway: () => true,
      // From the address: a neighbour that knew the last container keeps knowing the next.
      mac: (_record, ip) => (ip === undefined ? macFromRandom(randomBytes(6)) : macFromIp(ip)),
    },
    deps,
  );
}
