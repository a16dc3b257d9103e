// What the settings of a container's network namespace cost beside hundreds of others. Needs root
// and `make build`.
// Alone: what a setting costs is measured.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lowerQuartile } from '../../bench/measure.ts';
import { Api, field } from '../../tools/api.ts';
import { startEngine } from '../../tools/private-engine.ts';

const NAMESPACES = 400;
const STARTS = 12;
const KEY = 'net/ipv4/ip_unprivileged_port_start';
/** The host's procfs needed fifteen times as long. */
const RATIO_MAX = 5;

/** Nanoseconds that init took to write a setting, by the engine's own account. */
async function cost(api: Api): Promise<number> {
  const host = { NetworkMode: 'none' };
  const id = await api.create({ Image: 'busybox', Cmd: ['true'], HostConfig: host });
  await api.must('POST', `/containers/${id}/start`);
  await api.must('POST', `/containers/${id}/wait`);
  const groups = field(
    JSON.parse(await api.must('GET', `/coracle/containers/${id}/explain`)),
    'Groups',
  );
  await api.must('DELETE', `/containers/${id}`);
  assert.ok(Array.isArray(groups));
  const steps: unknown[] = groups.flatMap((group) => field(group, 'Steps'));
  const step = steps.find((each) => String(field(each, 'Text')).includes(`/proc/sys/${KEY}`));
  return Number(field(step, 'Nanoseconds'));
}

async function costs(api: Api): Promise<number> {
  const all: number[] = [];
  for (let each = 0; each < STARTS; each += 1) all.push(await cost(api));
  return lowerQuartile(all);
}

test('the settings of a namespace cost as much beside 400 others that the procfs of the host knows', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async (t) => {
  await using engine = await startEngine({ flags: ['--bridge=none'] });
  using api = new Api(engine.socket);
  const alone = await costs(api);
  const directory = mkdtempSync(join(tmpdir(), 'coracle-sysctl-'));
  const pins = Array.from({ length: NAMESPACES }, (_, index) => join(directory, String(index)));
  try {
    for (const pin of pins) {
      writeFileSync(pin, '');
      execFileSync('unshare', [`--net=${pin}`, 'cat', `/proc/sys/${KEY}`]);
    }
    const beside = await costs(api);
    t.diagnostic(`alone ${alone / 1000} us, beside ${beside / 1000} us`);
    assert.ok(beside <= alone * RATIO_MAX, `${alone} and ${beside} ns`);
  } finally {
    execFileSync('umount', ['-l', ...pins], { stdio: 'ignore' });
    rmSync(directory, { recursive: true });
  }
});
