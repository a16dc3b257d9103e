// system df: what images and containers take on disk, and how much of it is unused.
import { formatSize } from '#base/bytes.ts';
import type { ImageSummary } from '#wire/image.ts';
import type { DiskUsage } from '#wire/system.ts';
import type { Context } from '../command.ts';
import { CONTAINERS, containerRow } from '../format/container.ts';
import { imageListing, imageRows } from '../format/image.ts';
import { type Listing, renderList, type Row } from '../format/list.ts';

const USAGE: Listing = {
  headers: {
    Type: 'TYPE',
    TotalCount: 'TOTAL',
    Active: 'ACTIVE',
    Size: 'SIZE',
    Reclaimable: 'RECLAIMABLE',
  },
  table: '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}',
  quiet: '{{.Type}}',
};

export async function run({ flags, client }: Context): Promise<number> {
  const usage = await client.json<DiskUsage>('GET', '/system/df');
  const options = { format: flags.string('format'), quiet: false };
  if (!flags.bool('verbose')) {
    process.stdout.write(renderList(summary(usage), USAGE, options));
    return 0;
  }
  const images = (usage.Images ?? []).flatMap((image) => imageRows(image, false, false));
  const containers = (usage.Containers ?? []).map((each) => containerRow(each, false));
  const listing = { ...CONTAINERS, table: `${CONTAINERS.table}\t{{.Size}}` };
  const imageTable = renderList(images, imageListing(false), options);
  const containerTable = renderList(containers, listing, options);
  process.stdout.write(`Images space usage:\n\n${imageTable}`);
  process.stdout.write(`\nContainers space usage:\n\n${containerTable}`);
  return 0;
}

function summary(usage: DiskUsage): Row[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = usage.Volumes ?? [];
  const used = images.filter((image) => image.Containers > 0);
  const own = (image: ImageSummary): number => image.Size - Math.max(0, image.SharedSize);
  const usedBytes = used.reduce((sum, image) => sum + own(image), 0);
  const live = containers.filter(({ State: state }) => ['running', 'paused'].includes(state));
  const size = (list: typeof containers): number =>
    list.reduce((sum, each) => sum + (each.SizeRw ?? 0), 0);
  return [
    row('Images', images.length, used.length, usage.LayersSize, usage.LayersSize - usedBytes),
    row(
      'Containers',
      containers.length,
      live.length,
      size(containers),
      size(containers) - size(live),
    ),
    row('Local Volumes', volumes.length, 0, 0, 0),
    row('Build Cache', (usage.BuildCache ?? []).length, 0, 0, 0),
  ];
}

function row(type: string, count: number, active: number, size: number, free: number): Row {
  const left = Math.max(0, free);
  const share = size > 0 ? ` (${Math.trunc((left * 100) / size)}%)` : '';
  return {
    Type: type,
    TotalCount: String(count),
    Active: String(active),
    Size: formatSize(size, 4),
    Reclaimable: `${formatSize(left, 4)}${share}`,
  };
}
