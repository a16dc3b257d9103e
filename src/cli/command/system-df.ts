// system df: what images, containers, volumes and the build cache take on disk, and how much of it
// is unused. The tables and what counts as used are docker's.
import { formatSize } from '#base/bytes.ts';
import type { ImageSummary } from '#wire/image.ts';
import type { DiskUsage } from '#wire/system.ts';
import type { Volume } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { BUILD_CACHE, cacheBytes, cacheRows } from '../format/build-cache.ts';
import { CONTAINERS, containerRow } from '../format/container.ts';
import { imageListing, imageRows } from '../format/image.ts';
import { type Listing, renderList, type Row, rowJson, sorted } from '../format/list.ts';
import { VOLUMES, volumeRow } from '../format/volume.ts';

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

const IMAGES: Listing = {
  ...imageListing(false),
  table:
    '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}',
};

const USED_CONTAINERS: Listing = {
  ...CONTAINERS,
  table:
    '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}',
};

const USED_VOLUMES: Listing = { ...VOLUMES, table: '{{.Name}}\t{{.Links}}\t{{.Size}}' };

export async function run({ flags, client }: Context): Promise<number> {
  const usage = await client.json<DiskUsage>('GET', '/system/df');
  const format = flags.string('format').trim();
  const text = flags.bool('verbose')
    ? verbose(usage, format)
    : renderList(summary(usage), USAGE, { format, quiet: false });
  process.stdout.write(text);
  return 0;
}

function verbose(usage: DiskUsage, format: string): string {
  const plain = format === '' || format === 'table';
  const images = (usage.Images ?? []).map((image) => imageRow(image, !plain));
  const containers = (usage.Containers ?? []).map((each) =>
    // What the image below has is told with the images.
    containerRow({ ...each, SizeRootFs: 0 }, !plain),
  );
  const volumes = (usage.Volumes ?? []).map(usedVolumeRow);
  const cache = usage.BuildCache ?? [];
  if (!plain) {
    // The four lists stay in docker's order.
    const all = {
      Images: images.map(sorted),
      Containers: containers.map(sorted),
      Volumes: volumes.map(sorted),
      BuildCache: cacheRows(cache, true).map(sorted),
    };
    if (format !== 'json') return renderList([all], USAGE, { format, quiet: false });
    return `${rowJson(all)}\n`;
  }
  const table = (rows: readonly Row[], listing: Listing): string =>
    renderList(rows, listing, { format: '', quiet: false });
  return [
    `Images space usage:\n\n${table(images, IMAGES)}`,
    `\nContainers space usage:\n\n${table(containers, USED_CONTAINERS)}`,
    `\nLocal Volumes space usage:\n\n${table(volumes, USED_VOLUMES)}`,
    `\nBuild cache usage: ${formatSize(cacheBytes(cache), 4)}\n\n`,
    table(cacheRows(cache, false), BUILD_CACHE),
  ].join('');
}

/** One row an image, with its first name. */
function imageRow(image: ImageSummary, noTrunc: boolean): Row {
  const first = { ...image, RepoTags: (image.RepoTags ?? []).slice(0, 1), RepoDigests: [] };
  return { ...imageRows(first, noTrunc, false)[0], Digest: '' };
}

function usedVolumeRow(volume: Volume): Row {
  const { RefCount = -1, Size = -1 } = volume.UsageData ?? {};
  const count = (value: number, text: string): string => (value === -1 ? 'N/A' : text);
  return {
    ...volumeRow(volume),
    Links: count(RefCount, String(RefCount)),
    Size: count(Size, formatSize(Size, 4)),
  };
}

function summary(usage: DiskUsage): Row[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = usage.Volumes ?? [];
  const sum = <T>(list: readonly T[], size: (each: T) => number): number =>
    list.reduce((total, each) => total + Math.max(0, size(each)), 0);
  const used = images.filter((image) => image.Containers > 0);
  const own = (image: ImageSummary): number => image.Size - Math.max(0, image.SharedSize);
  const live = containers.filter(({ State: state }) =>
    ['running', 'paused', 'restarting'].includes(state),
  );
  const written = (each: { readonly SizeRw?: number }): number => each.SizeRw ?? 0;
  const linked = volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0);
  const cache = usage.BuildCache ?? [];
  const taken = cache.filter(({ InUse: inUse }) => inUse);
  const held = (volume: Volume): number => volume.UsageData?.Size ?? 0;
  return [
    row('Images', [images, used], usage.LayersSize, sum(used, own)),
    row('Containers', [containers, live], sum(containers, written), sum(live, written)),
    row('Local Volumes', [volumes, linked], sum(volumes, held), sum(linked, held)),
    row('Build Cache', [cache, taken], cacheBytes(cache), cacheBytes(taken)),
  ];
}

function row(
  type: string,
  [all, active]: readonly [readonly unknown[], readonly unknown[]],
  size: number,
  used: number,
): Row {
  const left = Math.max(0, size - used);
  const share = size > 0 && type !== 'Build Cache' ? ` (${Math.trunc((left * 100) / size)}%)` : '';
  return {
    Type: type,
    TotalCount: String(all.length),
    Active: String(active.length),
    Size: formatSize(size, 4),
    Reclaimable: `${formatSize(left, 4)}${share}`,
  };
}
