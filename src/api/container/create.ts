// POST /containers/create and POST /coracle/plan, which take the same body.
import type { ContainerSpec } from '#container/spec.ts';
import { readRequiredJson } from '../body.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { parseCreate } from './parse-create.ts';

export async function createContainer(exchange: Exchange): Promise<void> {
  const { deps } = exchange;
  const { id, warnings } = await deps.containers.create(await readSpec(exchange));
  sendJson(exchange, 201, { Id: id, Warnings: warnings });
}

export async function readSpec({ request, query, version }: Exchange): Promise<ContainerSpec> {
  const body = await readRequiredJson(request, 'CreateRequest');
  const from = { name: query.text('name'), platform: query.text('platform'), version };
  return parseCreate(body, from);
}
