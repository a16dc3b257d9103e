// What every row of limits goes through: set at create, read back from the kernel, its effect
// measured, changed live, taken away; or refused, where no hierarchy keeps it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  canMount,
  type Json,
  type LimitedContainer,
  type LimitHost,
  versionOf,
} from './limit-host.ts';
import { type Disk, MIB, type Row, type Stage, WAIT } from './limit-rows.ts';

/** Of version 1, mounted by the engine where the host has not; others go by what is mounted. */
const ON_DEMAND = new Set(['net_cls', 'net_prio', 'hugetlb']);
const POOL = '/proc/sys/vm/nr_hugepages';
const POOL_PAGES = 4;

/** A disk of our own, so that its throttles and weights are nobody else's. */
export function makeDisk(folder: string): Disk {
  const file = join(folder, 'disk');
  writeFileSync(file, '');
  truncateSync(file, 64 * MIB);
  const path = execFileSync('losetup', ['-f', '--show', file], { encoding: 'utf8' }).trim();
  const block = `/sys/block/${path.slice('/dev/'.length)}`;
  // Of whoever had this loop device before.
  writeFileSync(`${block}/queue/scheduler`, 'none');
  return { path, numbers: readFileSync(`${block}/dev`, 'utf8').trim() };
}

/** Where the machine has room for the pages. */
export function mountHugePages(folder: string): string | undefined {
  const before = Number(readFileSync(POOL, 'utf8'));
  const resize = (pages: number): void => writeFileSync(POOL, String(pages));
  resize(before + POOL_PAGES);
  // The kernel gives as many as it finds room for.
  if (Number(readFileSync(POOL, 'utf8')) < before + POOL_PAGES) {
    resize(before);
    return undefined;
  }
  const path = join(folder, 'huge');
  mkdirSync(path);
  execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', path]);
  return path;
}

export function unmountHugePages(path: string): void {
  execFileSync('umount', [path]);
  writeFileSync(POOL, String(Number(readFileSync(POOL, 'utf8')) - POOL_PAGES));
}

/** Which version keeps a row here; undefined when none does. */
function placeOf(row: Row): { readonly version: 1 | 2; readonly controller: string } | undefined {
  for (const version of [1, 2] as const) {
    const controller = row.controller[version];
    if (controller === undefined || row.files[version] === undefined) continue;
    const there = versionOf(controller);
    if (there === version) return { version, controller };
    const onDemand = version === 1 && there === 0 && ON_DEMAND.has(controller);
    if (onDemand && canMount(controller)) return { version, controller };
  }
  return undefined;
}

function checkFiles(
  container: LimitedContainer,
  row: Row,
  stage: Stage,
  { version, controller }: { readonly version: 1 | 2; readonly controller: string },
): void {
  for (const [file, values] of Object.entries(row.files[version] ?? {})) {
    if (row.loose?.includes(file) === true) continue;
    assert.equal(container.read(controller, file), values[stage], `${file} at stage ${stage}`);
  }
}

async function checkInspect(container: LimitedContainer, wish: Json): Promise<void> {
  const { HostConfig } = await container.inspect();
  for (const [field, value] of Object.entries(wish)) {
    if (field === 'Unset') {
      for (const name of value as readonly string[]) {
        const shown = HostConfig[name] ?? 0;
        const nothing = Array.isArray(shown) ? shown.length === 0 : !shown;
        assert.ok(nothing, `${name} is ${JSON.stringify(shown)}`);
      }
    } else if (!isNothing(value)) assert.deepEqual(HostConfig[field], value, field);
  }
}

/** What a client says to take a limit away is not shown. */
function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((each: { Rate?: number }) => each.Rate === 0);
  return value === -1 || value === false;
}

/** A limit that no hierarchy here keeps is never passed over in silence. */
async function checkRefused(host: LimitHost, { name, wishes }: Row): Promise<void> {
  const container = await host.run(WAIT, {});
  try {
    const wish = Object.values(wishes[0]).some((value) => value === false) ? wishes[1] : wishes[0];
    const said = await container.update(wish).catch((error: Error) => [error.message]);
    assert.match(said.join('\n'), /cannot be set: .*|Your kernel does not support/, name);
    const { HostConfig } = await container.inspect();
    if (/cannot be set/.test(said.join())) assert.ok(!HostConfig[Object.keys(wish)[0] ?? '']);
  } finally {
    await container.remove();
  }
}

export async function checkRow(host: LimitHost, row: Row): Promise<void> {
  const place = placeOf(row);
  const [created, ...changes] = row.wishes;
  if (place === undefined) return checkRefused(host, row);
  const container = await host.run(row.script ?? WAIT, { ...row.host, ...created });
  try {
    for (const [stage, wish] of [created, ...changes].entries()) {
      if (stage > 0) assert.deepEqual(await container.update(wish), []);
      checkFiles(container, row, stage as Stage, place);
      await checkInspect(container, wish);
      await row.effect?.(container, stage as Stage, place.version);
    }
  } finally {
    await container.remove();
  }
}
