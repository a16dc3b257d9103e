// The bindings of a running container's record, as this daemon would have made them. Pure.
import type { PortBinding, PortWish } from '../engine.ts';
import { isDirect, type PortTarget, publishedPort, targetsOf } from '../firewall.ts';
import type { Plugged } from '../parts.ts';
import type { Placed, Wished } from './place.ts';

const isAny = (ip: string): boolean => ip === '0.0.0.0' || ip === '::';

/** Those of one wish: the same port of the host at every address of both families. */
const wishKey = ({ port, protocol, hostIp, hostPort }: PortBinding): string =>
  `${port} ${protocol} ${hostPort} ${isAny(hostIp) ? '' : hostIp}`;

export function wishedOf(plugged: Plugged): readonly Wished[] {
  const targets = targetsOf(plugged);
  const { containerId, containerName, ports } = plugged.sandbox;
  const place = (binding: PortBinding, target: PortTarget): Placed => ({
    binding,
    published: publishedPort({ ...binding, container: containerId }, target),
    claim: isDirect(target) ? undefined : { ...binding, containerId, containerName },
  });
  return [...Map.groupBy(ports, wishKey).values()].map((bindings) => {
    const placed = bindings.flatMap((binding) => {
      const target = targets[binding.hostIp.includes(':') ? 6 : 4];
      return target === undefined ? [] : [place(binding, target)];
    });
    return { wish: wishOf(bindings), placed };
  });
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
