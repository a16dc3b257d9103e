// One image as `images` shows it: a row for each name it has.
import { formatSize } from '#base/bytes.ts';
import type { ImageSummary } from '#wire/image.ts';
import { ago } from '../duration.ts';
import { goTime } from './container.ts';
import type { Listing, Row } from './list.ts';

const HEADERS = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Containers: 'CONTAINERS',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

const TAIL = '{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}';

export function imageListing(digests: boolean): Listing {
  const digest = digests ? '\t{{.Digest}}' : '';
  const table = `{{.Repository}}\t{{.Tag}}${digest}\t${TAIL}`;
  return { headers: HEADERS, table, quiet: '{{.ID}}' };
}

const NONE = '<none>';

/** With `digests` a name that has several is shown once for each. */
export function imageRows(image: ImageSummary, noTrunc: boolean, digests: boolean): Row[] {
  const repositories = new Map<string, { tags: string[]; digests: string[] }>();
  const of = (name: string): { tags: string[]; digests: string[] } => {
    const made = repositories.get(name) ?? { tags: [], digests: [] };
    repositories.set(name, made);
    return made;
  };
  for (const name of image.RepoTags ?? []) {
    const colon = name.lastIndexOf(':');
    if (name !== '<none>:<none>') of(name.slice(0, colon)).tags.push(name.slice(colon + 1));
  }
  for (const name of image.RepoDigests ?? []) {
    const at = name.indexOf('@');
    if (name !== '<none>@<none>') of(name.slice(0, at)).digests.push(name.slice(at + 1));
  }
  const rows: Row[] = [];
  for (const [repository, names] of repositories) {
    const tags = names.tags.length === 0 ? [NONE] : names.tags;
    const shown = digests && names.digests.length > 0 ? names.digests : [NONE];
    for (const tag of tags) {
      for (const digest of shown) rows.push(row(image, noTrunc, repository, tag, digest));
    }
  }
  return rows.length > 0 ? rows : [row(image, noTrunc, NONE, NONE, NONE)];
}

function row(
  image: ImageSummary,
  noTrunc: boolean,
  repository: string,
  tag: string,
  digest: string,
): Row {
  const count = (value: number, text: string): string => (value === -1 ? 'N/A' : text);
  const shared = image.SharedSize;
  return {
    ID: noTrunc ? image.Id : shortImageId(image.Id),
    Repository: repository,
    Tag: tag,
    Digest: digest,
    CreatedSince: image.Created <= 0 ? '' : ago(image.Created),
    CreatedAt: goTime(image.Created),
    Size: formatSize(image.Size),
    Containers: count(image.Containers, String(image.Containers)),
    VirtualSize: formatSize(image.Size, 4),
    SharedSize: count(shared, formatSize(shared, 4)),
    UniqueSize: count(shared, formatSize(image.Size - shared, 4)),
  };
}

export function shortImageId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
