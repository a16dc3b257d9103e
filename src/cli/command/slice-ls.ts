// slice ls: slices as a tree, each with what it may and what it uses.
import { formatBinarySize } from '#base/bytes.ts';
import type { SliceSummary } from '#wire/slice.ts';
import type { Context } from '../command.ts';
import { type Listing, type Row, renderList } from '../format/list.ts';
import { limitsText } from '../limit-text.ts';

const SLICES: Listing = {
  headers: {
    Slice: 'SLICE',
    Path: 'PATH',
    Containers: 'CONTAINERS',
    Cpu: 'CPU TIME',
    Memory: 'MEMORY',
    Pids: 'PIDS',
    Limits: 'LIMITS',
  },
  table: '{{.Slice}}\t{{.Containers}}\t{{.Cpu}}\t{{.Memory}}\t{{.Pids}}\t{{.Limits}}',
  quiet: '{{.Path}}',
};

export async function run({ flags, client }: Context): Promise<number> {
  const slices = await client.json<SliceSummary[]>('GET', '/coracle/slices');
  if (flags.bool('json')) {
    process.stdout.write(`${JSON.stringify(slices, null, 2)}\n`);
    return 0;
  }
  const [format, quiet] = [flags.string('format'), flags.bool('quiet')];
  process.stdout.write(renderList(slices.map(sliceRow), SLICES, { format, quiet }));
  return 0;
}

function sliceRow({ Path, Usage, Containers, Limits }: SliceSummary): Row {
  const names = Path.split('/');
  const { CpuNanoseconds: cpu, MemoryBytes: memory, Pids: pids } = Usage;
  return {
    Slice: `${'  '.repeat(names.length - 1)}${names.at(-1)}`,
    Path,
    Containers: String(Containers.length),
    Cpu: cpu === null ? '-' : `${(cpu / 1e9).toFixed(2)}s`,
    Memory: memory === null ? '-' : formatBinarySize(memory),
    Pids: pids === null ? '-' : String(pids),
    Limits: limitsText(Limits),
  };
}
