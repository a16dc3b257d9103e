// What the docker CLI 28 sends for a plain and for a full `docker create`, and what dockerd 20.10
// answered to inspect for it (dockerd-20.10/, captured on Debian 12). Ours must be the same value
// for value, but for what changed up to Docker 28 or belongs to the host: the table below.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderInspect } from '#api/container/render-inspect.ts';
import { renderSummary } from '#api/container/render-summary.ts';
import type { ContainerInspect } from '#wire/container.ts';
import { FACTS } from '../../api/server.ts';
import { viewOf } from '../../api/view.ts';

const HERE = import.meta.dirname;
const CAPTURES = join(HERE, 'dockerd-20.10');
const NETWORK_FACTS = { networks: [], version: '1.51' };

/** Paths whose values are another daemon's affair or changed since; the rest must be equal. */
const DIFFERENT: readonly (readonly [path: RegExp, why: string])[] = [
  [/^(Id|Created|Image|Driver|GraphDriver\..*|Config\.Hostname)$/, 'made by the daemon'],
  [/^(ResolvConfPath|HostnamePath|HostsPath|LogPath|Mounts)$/, 'paths of the daemon'],
  [/^HostConfig\.(MaskedPaths|ReadonlyPaths)$/, 'the lists grew; passed in by daemon/'],
  [/^HostConfig\.Runtime$/, 'ours is called coracle'],
  [/^HostConfig\.KernelMemory(TCP)?$/, 'left out since Docker 23 when zero'],
  [/^HostConfig\.SecurityOpt$/, 'dockerd adds label=disable for --pid host'],
  [/^NetworkSettings\.Networks$/, 'GwPriority and DNSNames are new'],
  [/^HostConfig\.NetworkMode$/, 'the default one has its name since Docker 26'],
];

function capture(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(CAPTURES, `${name}.json`), 'utf8'));
}

/** Every leaf with its path; empty lists and maps are leaves. */
function leaves(value: unknown, path = ''): Map<string, string> {
  const found = new Map<string, string>();
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isMap || Object.keys(value).length === 0) return found.set(path, JSON.stringify(value));
  for (const [key, item] of Object.entries(value)) {
    const below = path === '' ? key : `${path}.${key}`;
    for (const [leaf, text] of leaves(item, below)) found.set(leaf, text);
  }
  return found;
}

function ours(name: string): ContainerInspect {
  const body = capture(`create-${name}`);
  const view = viewOf(body, { name });
  return renderInspect(view, FACTS, undefined, NETWORK_FACTS);
}

for (const name of ['plain', 'full']) {
  test(`inspect of a ${name} container is what dockerd answers`, () => {
    const mine = leaves(JSON.parse(JSON.stringify(ours(name))));
    const theirs = leaves(capture(`inspect-${name}`));
    const excused = (path: string): boolean =>
      DIFFERENT.some(([pattern]) => pattern.test(path) || pattern.test(path.split('.', 2).join('.')));
    for (const path of new Set([...mine.keys(), ...theirs.keys()])) {
      if (!excused(path)) assert.equal(mine.get(path), theirs.get(path), path);
    }
  });

  test(`golden: inspect of a ${name} container`, (t) => {
    t.assert.fileSnapshot(ours(name), join(HERE, `inspect-${name}.golden.json`), {
      serializers: [(value) => JSON.stringify(value, null, 2)],
    });
  });
}

test('golden: one line of ps', (t) => {
  const view = viewOf(capture('create-full'), { name: 'full' });
  t.assert.fileSnapshot(
    renderSummary(view, { rw: 5, rootFs: 7 }, NETWORK_FACTS),
    join(HERE, 'summary-full.golden.json'),
    { serializers: [(value) => JSON.stringify(value, null, 2)] },
  );
});
