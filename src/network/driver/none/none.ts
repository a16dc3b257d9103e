// The drivers that make nothing: `null` (network none) is a namespace with lo only, `host` no
// namespace at all. Containers on them have no endpoint, so what would make one is never asked.
import { EngineError } from '#base/error.ts';
import type { NetworkDriverName, NetworkRecord } from '../../engine.ts';
import type { NetworkDriver } from '../driver.ts';

export function makeEndless(name: Extract<NetworkDriverName, 'host' | 'null'>): NetworkDriver {
  const refuse = (record: NetworkRecord): never => {
    throw new EngineError(
      'forbidden',
      `network ${record.name} takes no endpoints: use --network ${record.name} alone`,
    );
  };
  return {
    name,
    addresses: false,
    leadsOut: () => false,
    gateway: () => false,
    validate: (record, others) => {
      const isOther = (other: NetworkRecord): boolean =>
        other.id !== record.id && other.driver === name && other.lends === undefined;
      if (!others.some(isOther)) return;
      throw new EngineError('forbidden', `only one instance of "${name}" network is allowed`);
    },
    validateWish: refuse,
    mac: () => undefined,
    bridge: () => undefined,
    hostInterface: () => undefined,
    activate: refuse,
    deactivate: () => Promise.resolve(),
    routes: () => [],
    planAttach: refuse,
    planReplug: () => [],
    planDetach: () => [],
    planQuiesce: () => [],
    verify: () => Promise.resolve(false),
  };
}
