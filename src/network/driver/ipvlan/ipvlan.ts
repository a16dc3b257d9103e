// The ipvlan driver: containers share the MAC of their parent, and the kernel sorts by address.
// Mode l3 and l3s route, so they have no gateway: the interface is the way. Options and texts are
// Docker's.
import { EngineError } from '#base/error.ts';
import { IPVLAN_FLAG, IPVLAN_MODE, type LinkKind } from '#kernel/netlink/link-kind.ts';
import type { Netlink } from '#kernel/netlink/netlink.ts';
import type { NetworkRecord } from '../../engine.ts';
import type { NetworkDriver } from '../driver.ts';
import type { Parents } from '../parent.ts';
import { makeSubordinate } from '../subordinate.ts';

type Link = Extract<LinkKind, { kind: 'ipvlan' }>;

function choose<T extends string>(
  table: Readonly<Record<T, number>>,
  text: string | undefined,
  option: { readonly initial: T; readonly refusal: (quoted: string) => string },
): T {
  if (text === undefined || text === '') return option.initial;
  const found = (Object.keys(table) as T[]).find((name) => name === text);
  if (found !== undefined) return found;
  const quoted = JSON.stringify(text).replaceAll('"', "'");
  throw new EngineError('invalid_argument', option.refusal(quoted));
}

function linkOf({ options }: Pick<NetworkRecord, 'options'>): Link {
  return {
    kind: 'ipvlan',
    mode: choose(IPVLAN_MODE, options.ipvlan_mode, {
      initial: 'l2',
      refusal: (mode) =>
        `requested ipvlan mode ${mode} is not valid, 'l2' mode is the ipvlan driver default`,
    }),
    flag: choose(IPVLAN_FLAG, options.ipvlan_flag, {
      initial: 'bridge',
      refusal: (flag) =>
        `requested ipvlan flag ${flag} is not valid, 'bridge' is the ipvlan driver default`,
    }),
  };
}

function share(_record: NetworkRecord, other: NetworkRecord, parent: string): void {
  if (other.driver !== 'ipvlan' && other.driver !== 'macvlan') return;
  throw new EngineError(
    'forbidden',
    `${other.driver} network ${other.id} is already using parent interface ${parent}`,
  );
}

export function makeIpvlan(deps: {
  readonly netlink: Netlink;
  readonly parents: Parents;
}): NetworkDriver {
  return makeSubordinate(
    {
      name: 'ipvlan',
      link: linkOf,
      share,
      gateway: (record) => linkOf(record).mode === 'l2',
      mac: () => undefined,
    },
    deps,
  );
}
