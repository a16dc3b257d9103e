// Interfaces, addresses and routes as ip(8) prints them.
import type { AddressState } from '#kernel/netlink/address.ts';
import type { LinkState } from '#kernel/netlink/link-state.ts';
import type { RouteState } from '#kernel/netlink/route.ts';
import type { Inside } from './facts.ts';

/** "7: co-0123 <UP> mtu 1500 link/ether 02:42:ac:12:00:01" */
export function linkText(link: LinkState): string {
  const flags = [link.up ? 'UP' : 'DOWN', ...(link.up && !link.carrier ? ['NO-CARRIER'] : [])];
  const mac = link.mac === undefined ? '' : ` link/ether ${link.mac}`;
  const mode = link.mode === undefined ? '' : ` mode ${link.mode}`;
  const kind = link.kind === undefined ? '' : ` ${link.kind}${mode}`;
  return `${link.index}: ${link.name} <${flags.join(',')}> mtu ${link.mtu}${mac}${kind}`;
}

/** "inet 172.18.0.2/16 dev eth0" */
export function addressText(address: AddressState, inside: Inside): string {
  const { family, address: ip, prefixLength, link } = address;
  const duplicate = address.duplicate ? ' dadfailed' : '';
  return `${family} ${ip}/${prefixLength} dev ${nameOf(link, inside)}${duplicate}`;
}

/** "default via 172.18.0.1 dev eth0" */
export function routeText(route: RouteState, inside: Inside): string {
  const { to, via, link, source, type, scope } = route;
  return [
    type === 'unicast' ? to : `${type} ${to}`,
    ...(via === undefined ? [] : ['via', via]),
    ...(link === undefined ? [] : ['dev', nameOf(link, inside)]),
    ...(scope === 'global' ? [] : ['scope', scope]),
    ...(source === undefined ? [] : ['src', source]),
  ].join(' ');
}

function nameOf(index: number, { links }: Inside): string {
  return links.find((link) => link.index === index)?.name ?? `if${index}`;
}
