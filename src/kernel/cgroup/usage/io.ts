// blkio.throttle.* and io.stat: bytes and operations by device.

export type IoEntry = {
  readonly major: number;
  readonly minor: number;
  /** "Read", "Write" and so on (v1); "read", "write" (v2). */
  readonly op: string;
  readonly value: number;
};

export type IoUsage = {
  readonly version: 1 | 2;
  readonly bytes: readonly IoEntry[];
  readonly operations: readonly IoEntry[];
};

export function parseIoV1(bytes: string, operations: string): IoUsage {
  return { version: 1, bytes: entriesV1(bytes), operations: entriesV1(operations) };
}

/** Lines "8:0 Read 4096"; the last one, "Total 4096", is of all devices. */
function entriesV1(text: string): IoEntry[] {
  const entries: IoEntry[] = [];
  for (const line of text.split('\n')) {
    const [device = '', op, value] = line.split(' ');
    const [major, minor] = device.split(':');
    if (op === undefined || value === undefined || minor === undefined) continue;
    entries.push({ major: Number(major), minor: Number(minor), op, value: Number(value) });
  }
  return entries;
}

/** Lines "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0". */
export function parseIoV2(text: string): IoUsage {
  const bytes: IoEntry[] = [];
  const operations: IoEntry[] = [];
  for (const line of text.split('\n')) {
    const [device = '', ...pairs] = line.split(' ');
    const [major = '', minor] = device.split(':');
    if (minor === undefined) continue;
    const values = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
    const place = { major: Number(major), minor: Number(minor) };
    const of = (key: string): number => Number(values.get(key) ?? 0);
    bytes.push({ ...place, op: 'read', value: of('rbytes') });
    bytes.push({ ...place, op: 'write', value: of('wbytes') });
    operations.push({ ...place, op: 'read', value: of('rios') });
    operations.push({ ...place, op: 'write', value: of('wios') });
  }
  return { version: 2, bytes, operations };
}
