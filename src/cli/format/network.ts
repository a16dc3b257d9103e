// One network as `network ls` shows it. Titles and texts are docker's.
import type { NetworkInspect } from '#wire/network.ts';
import type { Listing, Row } from './list.ts';
import { compareNatural } from './natural.ts';

export const NETWORKS: Listing = {
  headers: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    Labels: 'LABELS',
    CreatedAt: 'CREATED AT',
  },
  table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
  quiet: '{{.ID}}',
};

const ID_WIDTH = 12;
const RAW_QUIET = 'network_id: {{.ID}}';
// As a shell would give it: a newline at the end would be trimmed.
const RAW = `${RAW_QUIET}\\nname: {{.Name}}\\ndriver: {{.Driver}}\\nscope: {{.Scope}}\\n`;

/** `--format raw` is a template with a name. */
export function networkFormat(format: string, quiet: boolean): string {
  if (format !== 'raw') return format;
  return quiet ? RAW_QUIET : RAW;
}

export function networkRows(networks: readonly NetworkInspect[], noTrunc: boolean): Row[] {
  return networks
    .toSorted((a, b) => compareNatural(a.Name, b.Name))
    .map((network) => networkRow(network, noTrunc));
}

function networkRow(network: NetworkInspect, noTrunc: boolean): Row {
  const labels = network.Labels ?? {};
  return {
    ID: noTrunc ? network.Id : network.Id.slice(0, ID_WIDTH),
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    // Daemons before API 1.48 have no such field; Go reads it as false there, and so do we.
    IPv4: String(network.EnableIPv4 ?? false),
    IPv6: String(network.EnableIPv6 ?? false),
    Internal: String(network.Internal ?? false),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(','),
    CreatedAt: goTime(network.Created),
    Label: (name: unknown) => labels[String(name)] ?? '',
  };
}

/** Go's time.String() of an RFC 3339 time: "2026-01-02 03:04:05.6 +0000 UTC". */
export function goTime(text: string): string {
  const match = /^(\S+)T([\d:.]+)(?:(Z)|([+-]\d\d):(\d\d))$/.exec(text);
  if (match === null) return text;
  const [, day, time, utc, hours, minutes] = match;
  const zone = utc === undefined ? `${hours}${minutes} ${hours}${minutes}` : '+0000 UTC';
  return `${day} ${time} ${zone}`;
}
