// Ours: /coracle/slices. A slice has the limits of HostConfig, and no devices, rlimits or parent.
import { EngineError } from '#base/error.ts';
import type { Resources } from '#container/resources.ts';
import type { SliceView } from '#slice/slices.ts';
import type {
  SliceCreateReply,
  SliceInspect,
  SliceSummary,
  SliceUpdateReply,
  SliceUsage,
} from '#wire/slice.ts';
import { readRequiredJson } from '../body.ts';
import { renderEffective } from '../container/render-effective.ts';
import { renderResources } from '../container/render-host.ts';
import { parseLimitsChange } from '../container/update.ts';
import type { Fields } from '../decode.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';

export function listSlices(exchange: Exchange): void {
  sendJson(exchange, 200, exchange.deps.slices.list().map(renderSlice));
}

export async function createSlice(exchange: Exchange): Promise<void> {
  const body = await readRequiredJson(exchange.request, 'SliceCreate');
  const path = body.string('Path');
  const { made, warnings } = await exchange.deps.slices.create(path, parseLimits(body));
  const reply: SliceCreateReply = { Path: made.at(-1) ?? path, Made: made, Warnings: warnings };
  sendJson(exchange, 201, reply);
}

export function inspectSlice(exchange: Exchange): void {
  const { slices } = exchange.deps;
  const path = pathOf(exchange);
  const reply: SliceInspect = {
    ...renderSlice(slices.inspect(path)),
    EffectiveLimits: renderEffective(slices.effectiveOf(path)),
  };
  sendJson(exchange, 200, reply);
}

export async function updateSlice(exchange: Exchange): Promise<void> {
  const body = await readRequiredJson(exchange.request, 'SliceUpdate');
  const warnings = await exchange.deps.slices.update(pathOf(exchange), parseLimits(body));
  const reply: SliceUpdateReply = { Warnings: warnings };
  sendJson(exchange, 200, reply);
}

export async function removeSlice(exchange: Exchange): Promise<void> {
  await exchange.deps.slices.remove(pathOf(exchange));
  sendEmpty(exchange, 204);
}

function pathOf({ params }: Exchange): string {
  return params['path'] ?? '';
}

/** Of a container's process, not of a group of them. */
const NOT_OF_SLICES = ['Devices', 'DeviceCgroupRules', 'DeviceRequests', 'Ulimits'];

function parseLimits(body: Fields): ReturnType<typeof parseLimitsChange> {
  const wrong = NOT_OF_SLICES.find((name) => isFull(body.get(name)));
  if (wrong === undefined) return parseLimitsChange(body);
  throw new EngineError('invalid_argument', `a slice has no ${wrong}: they are set for containers`);
}

function isFull(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function renderSlice(view: SliceView<Resources>): SliceSummary {
  return {
    Path: view.path,
    CgroupPath: view.cgroup,
    Created: view.createdAt,
    Limits: renderLimits(view.wish),
    Usage: renderUsage(view.usage),
    Children: view.children,
    Containers: view.containers.map(({ id, name, running }) => ({
      Id: id,
      Name: name,
      Running: running,
    })),
  };
}

function renderLimits(wish: Resources): SliceSummary['Limits'] {
  const set = Object.entries(renderResources(wish)).filter(([, value]) => {
    if (Array.isArray(value)) return value.length > 0;
    return value !== 0 && value !== '' && value !== null && value !== false;
  });
  return Object.fromEntries(set);
}

function renderUsage({ cpu, memory, pids, io }: SliceView<Resources>['usage']): SliceUsage {
  const sum = (word: string): number | null => {
    if (io === undefined) return null;
    const of = io.bytes.filter(({ op }) => op.toLowerCase() === word);
    return of.reduce((total, { value }) => total + value, 0);
  };
  return {
    CpuNanoseconds: cpu?.total ?? null,
    MemoryBytes: memory?.usage ?? null,
    Pids: pids?.current ?? null,
    ReadBytes: sum('read'),
    WriteBytes: sum('write'),
  };
}
