// POST /containers/{id}/update. A field that is absent, null or Docker's zero is left as it is;
// ours beside Docker's: `Unset` names fields whose limit is taken away, `MemoryReclaim` is done
// once.
import { EngineError } from '#base/error.ts';
import { type LimitsChange, UNSETTABLE } from '#container/change-limits.ts';
import type { Resources } from '#container/resources.ts';
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
    limits: parseLimitsChange(body),
    memoryReclaim: body.optionalInt('MemoryReclaim'),
    netRate: parseNetRateChange(body.object('NetRate')),
    restartPolicy: named ? parseRestartPolicy(policy) : undefined,
    rootSize: body.stringMap('StorageOpt')['size'],
  });
  sendJson(exchange, 200, { Warnings: warnings.length > 0 ? warnings : null });
}

export function parseLimitsChange(body: Fields): LimitsChange {
  return { set: parseChanges(body), unset: (body.strings('Unset') ?? []).map(parseUnset) };
}

/** Switches that are off when it is said, unlike absent ones. */
const SWITCHES = { cpuIdle: 'CpuIdle', memoryOomGroup: 'MemoryOomGroup' } as const;

function parseChanges(body: Fields): Partial<Resources> {
  const { pidsLimit, ...given } = parseResources(body);
  const changes = Object.entries(given).filter(([key, value]) => {
    if (key in SWITCHES) return body.has(SWITCHES[key as keyof typeof SWITCHES]);
    if (key === 'memorySwappiness' || key === 'oomKillDisable') return value !== undefined;
    if (value === undefined || value === 0 || value === '') return false;
    if (Array.isArray(value)) return value.length > 0;
    return typeof value !== 'object' || Object.keys(value).length > 0;
  });
  // 0 and -1 take the pids limit away when they are said, unlike every other number here.
  const pids = body.has('PidsLimit') ? { pidsLimit: pidsLimit ?? 0 } : {};
  return { ...(Object.fromEntries(changes) as Partial<Resources>), ...pids };
}

/** HostConfig's name of a field, whose letters may be of any case, as everywhere in the body. */
function parseUnset(name: string): LimitsChange['unset'][number] {
  const key = UNSETTABLE.find((each) => each.toLowerCase() === name.toLowerCase());
  if (key !== undefined) return key;
  const what = `no limit of a container is called '${name.slice(0, 100)}'`;
  throw new EngineError('invalid_argument', `invalid Unset: ${what}`);
}
