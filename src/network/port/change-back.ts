// What takes a change of published ports back. Pure.
import type { PortBinding, PortWish } from '../engine.ts';

const keyOf = ({ protocol, port, hostIp, hostPort }: PortBinding): string =>
  `${protocol} ${port} ${hostIp} ${hostPort}`;

/** From `after` to `before`, each at the same port of the host. */
export function changeBack(
  before: readonly PortBinding[],
  after: readonly PortBinding[],
): { readonly add: readonly PortWish[]; readonly remove: readonly PortBinding[] } {
  const without = (list: readonly PortBinding[], other: readonly PortBinding[]) => {
    const keys = new Set(other.map(keyOf));
    return list.filter((one) => !keys.has(keyOf(one)));
  };
  const add = without(before, after).map((one) => ({
    ...one,
    hostPort: { first: one.hostPort, last: one.hostPort },
  }));
  return { add, remove: without(after, before) };
}
