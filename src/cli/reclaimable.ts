// What a prune would free, told before it asks: from the same figures as `system df`.
import { formatSize } from '#base/bytes.ts';
import type { EngineClient } from '#client/client.ts';
import type { DiskUsage } from '#wire/system.ts';

export type Reclaimable = {
  /** " (2, 12.3MB)"; '' if there are none. */
  readonly containers: string;
  readonly images: string;
  /** "downloads that were broken off (12.3MB)"; undefined if there are none. */
  readonly downloads: string | undefined;
};

const LIVE = ['running', 'paused', 'restarting'];

/** Of all stopped containers, and of the images that nobody uses once those are gone. */
export async function reclaimable(client: EngineClient, all: boolean): Promise<Reclaimable> {
  const query = { type: ['container', 'image'] };
  const usage = await client.json<DiskUsage>('GET', '/system/df', { query });
  const containers = usage.Containers ?? [];
  const stopped = containers.filter(({ State: state }) => !LIVE.includes(state));
  const live = new Set(
    containers.filter((each) => !stopped.includes(each)).map(({ ImageID }) => ImageID),
  );
  const isNameless = (names: readonly string[] | null): boolean => (names ?? []).length === 0;
  const images = (usage.Images ?? []).filter(
    (image) => !live.has(image.Id) && (all || isNameless(image.RepoTags)),
  );
  // Layers that only these images share come on top, so it is the least that is freed.
  const own = images.map((image) => image.Size - Math.max(0, image.SharedSize));
  return {
    containers: shown(stopped.map((each) => each.SizeRw ?? 0)),
    images: shown(own),
    downloads: brokenOff(usage),
  };
}

/** What a prune of images removes with them. */
export async function brokenOffDownloads(client: EngineClient): Promise<string | undefined> {
  return brokenOff(await client.json<DiskUsage>('GET', '/system/df', { query: { type: 'image' } }));
}

function brokenOff({ BrokenOffDownloads: bytes = 0 }: DiskUsage): string | undefined {
  return bytes === 0 ? undefined : `downloads that were broken off (${formatSize(bytes, 4)})`;
}

function shown(sizes: readonly number[]): string {
  if (sizes.length === 0) return '';
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return ` (${sizes.length}, ${formatSize(bytes, 4)})`;
}
