// Links of the default bridge (`--link`), where its containers may not talk (icc=false): a
// container may ask those that it is linked to for what they expose, while both are on the bridge.
// Which names it has for them is container/'s part. Pure, but for looking at the sandboxes.
import type { LinkedPort } from '#kernel/netfilter/state.ts';
import { type Core, type Socketed, socketsOf } from './core.ts';
import { parseBridge } from './driver/bridge/options.ts';
import type { ContainerLinks, Sandbox } from './engine.ts';
import { isUserDefined } from './wish.ts';

export const NO_LINKS: ContainerLinks = { to: [], exposed: [] };

type Exposed = Pick<LinkedPort, 'protocol' | 'port'>;

/** "80/tcp", "8000-8010/udp"; parsed before. */
function portsOf(text: string): readonly Exposed[] {
  const [, first, last = first, protocol] =
    /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const ports: Exposed[] = [];
  for (let port = Number(first); port <= Number(last); port += 1) {
    ports.push({ protocol: (protocol ?? 'tcp') as Exposed['protocol'], port });
  }
  return ports;
}

/** Where a sandbox is on the default bridge, and neighbours may not talk. */
function closedSocket(core: Core, sandbox: Sandbox): Socketed | undefined {
  return socketsOf(core, sandbox).find(
    ({ network }) =>
      network.driver === 'bridge' && !isUserDefined(network) && !parseBridge(network).icc,
  );
}

function linkedPorts(core: Core, asking: Sandbox, asked: Sandbox): readonly LinkedPort[] {
  const from = closedSocket(core, asking);
  const to = closedSocket(core, asked);
  const [source, target] = [from?.endpoint.ip, to?.endpoint.ip];
  if (from?.bridge === undefined || source === undefined || target === undefined) return [];
  const { bridge, network } = from;
  return asked.links.exposed.flatMap(portsOf).map(({ protocol, port }) => ({
    asking: asking.containerId,
    asked: asked.containerId,
    network: network.id,
    bridge,
    protocol,
    from: source,
    to: target,
    port,
  }));
}

/** What links from and to this one open, as the sandboxes are now; it stands for itself. */
export function linksOf(core: Core, sandbox: Sandbox): readonly LinkedPort[] {
  if (closedSocket(core, sandbox) === undefined) return [];
  const others = core.sandboxes.list().filter((one) => one.containerId !== sandbox.containerId);
  const asked = others.filter(({ containerId }) => sandbox.links.to.includes(containerId));
  const asking = others.filter(({ links }) => links.to.includes(sandbox.containerId));
  return [
    ...asked.flatMap((other) => linkedPorts(core, sandbox, other)),
    ...asking.flatMap((other) => linkedPorts(core, other, sandbox)),
  ];
}

/** Of all of these, each once. */
export function allLinks(core: Core, sandboxes: readonly Sandbox[]): readonly LinkedPort[] {
  const byId = new Map(sandboxes.map((one) => [one.containerId, one]));
  return sandboxes.flatMap((asking) =>
    asking.links.to.flatMap((id) => {
      const asked = byId.get(id);
      return asked === undefined ? [] : linkedPorts(core, asking, asked);
    }),
  );
}
