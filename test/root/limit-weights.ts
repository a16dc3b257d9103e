// Weights of disks, which have effect where the scheduler of a disk is bfq: in both versions.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Json,
  type LimitedContainer,
  type LimitHost,
  until,
  versionOf,
} from './limit-host.ts';
import { count, type Disk, WAIT, withDisk } from './limit-rows.ts';

const RATIO_TRIES_MAX = 8;

const bfq = versionOf('blkio') === 1 ? 1 : 2;

/** The weight of one disk is set, refused where the scheduler has none, and taken away. */
export async function checkDeviceWeights(host: LimitHost, disk: Disk): Promise<void> {
  const scheduler = `/sys/block/${disk.path.slice(5)}/queue/scheduler`;
  const weights = (weight: number): Json => ({
    BlkioWeightDevice: [{ Path: disk.path, Weight: weight }],
  });
  const container = await host.run(WAIT, { BlkioWeight: 200 });
  // Version 2 has one file for both, and iocost's beside it, from 1 to 10000.
  const [own, byDevice] =
    bfq === 1
      ? ['blkio.bfq.weight', 'blkio.bfq.weight_device']
      : ['io.bfq.weight', 'io.bfq.weight'];
  const read = (file: string) => container.read(bfq === 1 ? 'blkio' : 'io', file);
  const alone = (weight: number) => (bfq === 1 ? String(weight) : `default ${weight}`);
  assert.equal(read(own), alone(200));
  if (bfq === 2) assert.equal(read('io.weight'), 'default 1920');
  await assert.rejects(
    () => container.update(weights(300)),
    bfq === 1
      ? /cannot write "\d+:\d+ 300" to \/.*\/blkio\.bfq\.weight_device: ENOTSUP/
      : /cannot write "\d+:\d+ 2930" to \/.*\/io\.weight: ENOTSUP/,
  );
  writeFileSync(scheduler, 'bfq');
  try {
    await container.update(weights(300));
    assert.equal(read(byDevice), `default 200\n${disk.numbers} 300`);
    await container.update({ ...weights(0), BlkioWeight: 400 });
    assert.equal(read(byDevice), 'default 400');
    await container.update({ Unset: ['BlkioWeight'] });
    assert.equal(read(own), alone(100));
  } finally {
    writeFileSync(scheduler, 'none');
    await container.remove();
  }
}

/** Two who read the same disk without end have as much of it as they weigh. */
export async function checkSharing(host: LimitHost, disk: Disk): Promise<void> {
  const queue = `/sys/block/${disk.path.slice(5)}/queue`;
  writeFileSync(`${queue}/scheduler`, 'bfq');
  const read = 'while :; do dd if=/dev/disk of=/dev/null bs=64k iflag=direct 2>/dev/null; done';
  const [a, b] = await Promise.all(
    [1000, 100].map((BlkioWeight) => host.run(read, { ...withDisk(disk), BlkioWeight })),
  );
  assert.ok(a && b);
  try {
    const readBytes = (container: LimitedContainer): number => {
      if (bfq === 1) {
        const text = container.read('blkio', 'blkio.throttle.io_service_bytes');
        return count(text, `${disk.numbers} Read`);
      }
      const line = new RegExp(`^${disk.numbers} .*rbytes=(\\d+)`, 'm');
      return Number(line.exec(container.read('io', 'io.stat'))?.[1] ?? 0);
    };
    /** Where the CPU is short, the disk is not, and both have the same: looks again. */
    const checkRatio = async (what: string, isRight: (ratio: number) => boolean) => {
      const seen: number[] = [];
      while (!isRight(seen.at(-1) ?? 1)) {
        assert.ok(seen.length < RATIO_TRIES_MAX, `${what}: ${seen.join(' ')}`);
        const before = [readBytes(a), readBytes(b)];
        await sleep(500);
        seen.push((readBytes(a) - (before[0] ?? 0)) / (readBytes(b) - (before[1] ?? 0)));
      }
    };
    await until('both read', () => readBytes(a) > 0 && readBytes(b) > 0);
    await checkRatio('1000 beside 100', (ratio) => ratio > 1.7);
    await Promise.all([a.update({ BlkioWeight: 100 }), b.update({ BlkioWeight: 1000 })]);
    await checkRatio('100 beside 1000', (ratio) => ratio < 0.6);
  } finally {
    await Promise.all([a.remove(), b.remove()]);
    writeFileSync(`${queue}/scheduler`, 'none');
  }
}
