// POST /containers/{id}/update. A field that is absent, null or Docker's zero is left as it is.
import type { Resources } from '#container/spec.ts';
import { readJsonBody } from '../body.ts';
import type { Fields } from '../decode.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { ref } from './lifecycle.ts';
import { parseNetRateChange } from './parse-endpoint.ts';
import { parseRestartPolicy } from './parse-host.ts';
import { parseResources } from './parse-resources.ts';

export async function updateContainer(exchange: Exchange): Promise<void> {
  const { deps, params, request } = exchange;
  const body = await readJsonBody(request, 'UpdateConfig');
  const policy = body.object('RestartPolicy');
  const named = policy !== undefined && policy.string('Name') !== '';
  const warnings = await deps.containers.update(ref(params), {
    resources: parseChanges(body),
    netRate: parseNetRateChange(body.object('NetRate')),
    restartPolicy: named ? parseRestartPolicy(policy) : undefined,
  });
  sendJson(exchange, 200, { Warnings: warnings });
}

export function parseChanges(body: Fields): Partial<Resources> {
  const { pidsLimit, ...given } = parseResources(body);
  const changes = Object.entries(given).filter(([, value]) => {
    if (value === undefined || value === 0 || value === '') return false;
    if (Array.isArray(value)) return value.length > 0;
    return typeof value !== 'object' || Object.keys(value).length > 0;
  });
  // 0 and -1 take the pids limit away when they are said, unlike every other number here.
  const pids = body.has('PidsLimit') ? { pidsLimit: pidsLimit ?? 0 } : {};
  return { ...(Object.fromEntries(changes) as Partial<Resources>), ...pids };
}
