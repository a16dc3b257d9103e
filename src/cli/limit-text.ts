// Limits as they were typed, for a column of a list: fields of HostConfig back to flags.
import { formatBinarySize } from '#base/bytes.ts';

type Text = (value: unknown) => readonly string[];

const NANO = 1e9;
const bytes: Text = (value) => [value === -1 ? '-1' : formatBinarySize(Number(value))];
const plain: Text = (value) => [String(value)];
const devices =
  (key: 'Rate' | 'Weight', amount: (value: number) => string): Text =>
  (value) =>
    (value as readonly Readonly<Record<string, unknown>>[]).map(
      (each) => `${String(each['Path'])}:${amount(Number(each[key]))}`,
    );
const pairs: Text = (value) =>
  Object.entries(value as object).map(([name, each]) => `${name}=${String(each)}`);

/** Where the flag is not called as the field, or the value not written as it is. */
const FLAGS: Readonly<Record<string, readonly [flag: string, text: Text]>> = {
  Memory: ['memory', bytes],
  MemorySwap: ['memory-swap', bytes],
  MemoryReservation: ['memory-reservation', bytes],
  MemoryHigh: ['memory-high', bytes],
  MemoryMin: ['memory-min', bytes],
  MemorySwapHigh: ['memory-swap-high', bytes],
  NanoCpus: ['cpus', (value) => [String(Number(value) / NANO)]],
  CpuRealtimePeriod: ['cpu-rt-period', plain],
  CpuRealtimeRuntime: ['cpu-rt-runtime', plain],
  BlkioWeightDevice: ['blkio-weight-device', devices('Weight', String)],
  BlkioDeviceReadBps: ['device-read-bps', devices('Rate', formatBinarySize)],
  BlkioDeviceWriteBps: ['device-write-bps', devices('Rate', formatBinarySize)],
  BlkioDeviceReadIOps: ['device-read-iops', devices('Rate', String)],
  BlkioDeviceWriteIOps: ['device-write-iops', devices('Rate', String)],
  NetClassId: ['net-class', (value) => [`0x${Number(value).toString(16)}`]],
  NetPrio: ['net-prio', pairs],
  MiscLimits: ['misc', pairs],
  HugetlbLimits: [
    'hugetlb',
    (value) =>
      (value as readonly { readonly PageSize: string; readonly Limit: number }[]).map(
        ({ PageSize: size, Limit: limit }) => `${size}=${formatBinarySize(limit)}`,
      ),
  ],
  RdmaLimits: [
    'rdma',
    (value) =>
      Object.entries(value as Readonly<Record<string, Readonly<Record<string, number>>>>).map(
        ([device, { HcaHandle: handle, HcaObject: object }]) => {
          const parts = [
            ...(handle === undefined ? [] : [`hca_handle=${handle}`]),
            ...(object === undefined ? [] : [`hca_object=${object}`]),
          ];
          return `${device}=${parts.join(',')}`;
        },
      ),
  ],
};

/** "--memory 512MiB --cpus 0.5 --device-write-bps /dev/vda:1MiB" */
export function limitsText(limits: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(limits).flatMap(([field, value]) => {
    const [flag, text] = FLAGS[field] ?? [kebab(field), plain];
    if (value === true) return [`--${flag}`];
    return text(value).map((each) => `--${flag} ${each}`);
  });
  return words.join(' ');
}

function kebab(field: string): string {
  return field.replace(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
