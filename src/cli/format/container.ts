// One container as `ps` shows it. Titles and texts are docker's.
import { formatSize } from '#base/bytes.ts';
import type { ContainerSummary, Port } from '#wire/container.ts';
import { ago } from '../duration.ts';
import type { Listing, Row } from './list.ts';

export const CONTAINERS: Listing = {
  headers: {
    ID: 'CONTAINER ID',
    Names: 'NAMES',
    Image: 'IMAGE',
    Command: 'COMMAND',
    CreatedAt: 'CREATED AT',
    RunningFor: 'CREATED',
    Ports: 'PORTS',
    State: 'STATE',
    Status: 'STATUS',
    Size: 'SIZE',
    Labels: 'LABELS',
    Mounts: 'MOUNTS',
    LocalVolumes: 'LOCAL VOLUMES',
    Networks: 'NETWORKS',
    Platform: 'PLATFORM',
  },
  table: '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}',
  quiet: '{{.ID}}',
  refusals: { parse: 'failed to parse template: ', execute: 'failed to execute template: ' },
};

const COMMAND_WIDTH = 20;
const MOUNT_WIDTH = 15;
const ID_WIDTH = 12;

export function containerRow(container: ContainerSummary, noTrunc: boolean): Row {
  const labels = container.Labels ?? {};
  const mounts = (container.Mounts ?? []).map((mount) => mount.Name || mount.Source);
  const names = (container.Names ?? []).map((name) => name.replace(/^\//, ''));
  return {
    ID: noTrunc ? container.Id : container.Id.slice(0, ID_WIDTH),
    // A name with a slash inside is a link's alias, shown only in full.
    Names: (noTrunc ? names : names.filter((name) => !name.includes('/'))).join(','),
    Image: imageName(container, noTrunc),
    Command: JSON.stringify(
      noTrunc ? container.Command : ellipsis(container.Command, COMMAND_WIDTH),
    ),
    CreatedAt: goTime(container.Created),
    RunningFor: ago(container.Created),
    Ports: portsText(container.Ports ?? []),
    State: container.State,
    Status: container.Status,
    Size: sizeText(container),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(','),
    Mounts: mounts.map((name) => (noTrunc ? name : ellipsis(name, MOUNT_WIDTH))).join(','),
    LocalVolumes: String((container.Mounts ?? []).filter((each) => each.Driver === 'local').length),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {}).join(','),
    Platform: null,
    Label: (name: unknown) => labels[String(name)] ?? '',
  };
}

function imageName(container: ContainerSummary, noTrunc: boolean): string {
  const { Image: image, ImageID: id } = container;
  if (image === '') return '<no image>';
  if (!noTrunc && image === id) return image.replace(/^sha256:/, '').slice(0, ID_WIDTH);
  // name:tag@digest is shown without the digest.
  return noTrunc ? image : image.replace(/(.:[^/@]+)@sha256:[0-9a-f]{64}$/, '$1');
}

function sizeText(container: ContainerSummary): string {
  const writable = formatSize(container.SizeRw ?? 0);
  const { SizeRootFs: root = 0 } = container;
  return root > 0 ? `${writable} (virtual ${formatSize(root)})` : writable;
}

export function ellipsis(text: string, width: number): string {
  const points = [...text];
  return points.length <= width ? text : `${points.slice(0, width - 1).join('')}…`;
}

/** Go's time.String() of a second, in local time: "2026-01-02 03:04:05 +0000 UTC". */
export function goTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const offset = -date.getTimezoneOffset();
  const two = (value: number): string => String(Math.abs(value)).padStart(2, '0');
  const hours = `${offset < 0 ? '-' : '+'}${two(Math.trunc(offset / 60))}${two(offset % 60)}`;
  const local = new Date(date.getTime() + offset * 60_000).toISOString();
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
  const zone = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${hours} ${zone}`;
}

interface Group {
  readonly ip: string;
  readonly type: string;
  readonly publicFirst: number | undefined;
  readonly first: number;
  last: number;
}

/** "0.0.0.0:8080->80/tcp, 90-92/udp": neighbours that map the same way are one range. */
export function portsText(ports: readonly Port[]): string {
  const sorted = ports.toSorted(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      compare(a.IP ?? '', b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      compare(a.Type, b.Type),
  );
  const groups: Group[] = [];
  for (const port of sorted) {
    const { PrivatePort: inside, PublicPort: outside, Type: type } = port;
    const ip = port.IP ?? '';
    const open = groups.find((group) => {
      if (group.ip !== ip || group.type !== type || group.last + 1 !== inside) return false;
      const shift = inside - group.first;
      if (group.publicFirst === undefined || outside === undefined) {
        return group.publicFirst === outside;
      }
      return group.publicFirst + shift === outside;
    });
    if (open === undefined) {
      groups.push({ ip, type, publicFirst: outside, first: inside, last: inside });
    } else open.last = inside;
  }
  return groups.map(groupText).join(', ');
}

function groupText({ ip, type, publicFirst, first, last }: Group): string {
  const inside = first === last ? String(first) : `${first}-${last}`;
  if (publicFirst === undefined) return `${inside}/${type}`;
  const outside = first === last ? publicFirst : `${publicFirst}-${publicFirst + last - first}`;
  const host = ip.includes(':') ? `[${ip}]` : ip;
  return `${host === '' ? '' : `${host}:`}${outside}->${inside}/${type}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
