// One volume as `volume ls` shows it. Titles and texts are docker's.
import type { Volume } from '#wire/volume.ts';
import type { Listing, Row } from './list.ts';
import { compareNatural } from './natural.ts';

export const VOLUMES: Listing = {
  headers: {
    Name: 'VOLUME NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    Mountpoint: 'MOUNTPOINT',
    Labels: 'LABELS',
    Links: 'LINKS',
    Size: 'SIZE',
    Availability: 'AVAILABILITY',
    Group: 'GROUP',
    Status: 'STATUS',
  },
  table: '{{.Driver}}\t{{.Name}}',
  quiet: '{{.Name}}',
};

const RAW_QUIET = 'name: {{.Name}}';
const RAW = `${RAW_QUIET}\\ndriver: {{.Driver}}\\n`;

/** `--format raw` is a template with a name. */
export function volumeFormat(format: string, quiet: boolean): string {
  if (format !== 'raw') return format;
  return quiet ? RAW_QUIET : RAW;
}

export function volumeRows(volumes: readonly Volume[]): Row[] {
  return volumes.toSorted((a, b) => compareNatural(a.Name, b.Name)).map(volumeRow);
}

/** Of a swarm's volumes, and what only system df counts. */
const UNKNOWN = 'N/A';

export function volumeRow(volume: Volume): Row {
  const labels = volume.Labels ?? {};
  return {
    Name: volume.Name,
    Driver: volume.Driver,
    Scope: volume.Scope,
    Mountpoint: volume.Mountpoint,
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(','),
    Links: UNKNOWN,
    Size: UNKNOWN,
    Availability: UNKNOWN,
    Group: UNKNOWN,
    Status: UNKNOWN,
    Label: (name: unknown) => labels[String(name)] ?? '',
  };
}
