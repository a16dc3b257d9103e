// Ours: /coracle/containers/{id}/ports. Publishes, moves and withdraws ports of a container that
// runs, and tells what went through them.
import { EngineError } from '#base/error.ts';
import type { PortBindings } from '#container/publish.ts';
import type { PortTraffic } from '#wire/network.ts';
import { readRequiredJson } from '../body.ts';
import { parsePortBindings } from '../container/parse-host.ts';
import { renderBindings } from '../container/render-network.ts';
import { ref } from '../container/lifecycle.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { rawInteger } from '../json.ts';

export async function changeContainerPorts(exchange: Exchange): Promise<void> {
  const { deps, params, request } = exchange;
  const body = await readRequiredJson(request, 'PortChange');
  const add = parsePortBindings(body, 'Add');
  const remove = parsePortBindings(body, 'Remove');
  if (isEmpty(add) && isEmpty(remove)) {
    throw new EngineError('invalid_argument', 'nothing to publish and nothing to withdraw');
  }
  await deps.containers.changePorts(ref(params), { add, remove });
  const { sandbox } = deps.containers.inspect(ref(params));
  sendJson(exchange, 200, { Ports: renderBindings(sandbox?.ports ?? []) });
}

export async function listContainerPorts(exchange: Exchange): Promise<void> {
  const traffic = await exchange.deps.containers.ports(ref(exchange.params));
  const list: PortTraffic[] = traffic.map((each) => ({
    IP: each.hostIp,
    PrivatePort: each.port,
    PublicPort: each.hostPort,
    Type: each.protocol,
    Connections: integer(each.connections),
    Packets: each.packets === undefined ? null : integer(each.packets),
    Bytes: each.bytes === undefined ? null : integer(each.bytes),
  }));
  sendJson(exchange, 200, list);
}

/** Written exactly, whatever its size. */
function integer(value: bigint): number {
  return rawInteger(value) as number;
}

function isEmpty(bindings: PortBindings): boolean {
  return Object.keys(bindings).length === 0;
}
