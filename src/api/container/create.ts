// POST /containers/create and POST /coracle/plan, which take the same body.
import type { ContainerSpec } from '#container/spec.ts';
import { readRequiredJson } from '../body.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { parseCreate } from './parse-create.ts';
import { macWarnings } from './parse-endpoint.ts';

export async function createContainer(exchange: Exchange): Promise<void> {
  const { deps } = exchange;
  const { spec, warnings } = await readSpec(exchange);
  const answer = await deps.containers.create(spec);
  sendJson(exchange, 201, { Id: answer.id, Warnings: [...answer.warnings, ...warnings] });
}

export async function readSpec({ request, query, version }: Exchange): Promise<{
  readonly spec: ContainerSpec;
  /** Of what the client should say otherwise. */
  readonly warnings: readonly string[];
}> {
  const body = await readRequiredJson(request, 'CreateRequest');
  const from = { name: query.text('name'), platform: query.text('platform'), version };
  return { spec: parseCreate(body, from), warnings: macWarnings(body, version) };
}
