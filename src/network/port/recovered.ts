// The bindings of a running container's record, as this daemon would have made them. Pure.
import type { PortBinding, PortWish } from '../engine.ts';
import { type PortTarget, targetsOf } from '../firewall.ts';
import type { Plugged } from '../parts.ts';
import { LOOPBACK6 } from './loopback.ts';
import { placedOf, type Wished } from './place.ts';

const isAny = (ip: string): boolean => ip === '0.0.0.0' || ip === '::';

/** Those of one wish: the same port of the host at every address of both families. */
const wishKey = ({ port, protocol, hostIp, hostPort }: PortBinding): string =>
  `${port} ${protocol} ${hostPort} ${isAny(hostIp) ? '' : hostIp}`;

export function wishedOf(plugged: Plugged): readonly Wished[] {
  const targets = targetsOf(plugged);
  const { containerId, containerName, ports, waiting } = plugged.sandbox;
  const targetFor = ({ hostIp }: PortBinding): PortTarget | undefined => {
    if (hostIp === LOOPBACK6) return targets[4] ?? targets[6];
    return targets[hostIp.includes(':') ? 6 : 4];
  };
  const kept = [...Map.groupBy(ports, wishKey).values()].map((bindings) => {
    const placed = bindings.flatMap((binding) => {
      const target = targetFor(binding);
      return target === undefined
        ? []
        : [placedOf(binding, target, { containerId, containerName })];
    });
    return { wish: wishOf(bindings), placed };
  });
  return [...kept, ...waiting.map((wish) => ({ wish, placed: [] }))];
}

function wishOf(bindings: readonly PortBinding[]): PortWish {
  const [first] = bindings;
  const { port = 0, protocol = 'tcp', hostIp = '', hostPort = 0 } = first ?? {};
  return {
    port,
    protocol,
    hostIp: bindings.length > 1 ? '' : hostIp,
    hostPort: { first: hostPort, last: hostPort },
  };
}
