// GET /containers/{id}/json and /top.
import type { ContainerTop } from '#wire/container.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { isRunning } from '#container/guard.ts';
import { ref } from './lifecycle.ts';
import { renderEffective } from './render-effective.ts';
import { renderInspect } from './render-inspect.ts';

export async function inspectContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query, version } = exchange;
  const view = deps.containers.inspect(ref(params));
  const facts = { networks: deps.networks.records(), version };
  const sizes = query.bool('size') ? await deps.containers.sizes(view.id) : undefined;
  const inspect = renderInspect(view, deps.facts, sizes, facts);
  if (!isRunning(view.state)) return sendJson(exchange, 200, inspect);
  const limits = deps.slices.effective(deps.slices.place(view.spec.host), view.id);
  sendJson(exchange, 200, { ...inspect, EffectiveLimits: renderEffective(limits) });
}

export async function topContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  const psArgs = query.text('ps_args') || '-ef';
  const { titles, processes } = await deps.containers.top(ref(params), psArgs);
  const top: ContainerTop = { Titles: titles, Processes: processes };
  sendJson(exchange, 200, top);
}
