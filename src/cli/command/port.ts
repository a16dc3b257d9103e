// port: where the ports of a container are published; with --traffic, what went through them.
import type { ContainerInspect } from '#wire/container.ts';
import type { PortBinding } from '#wire/container-config.ts';
import type { PortTraffic } from '#wire/network.ts';
import { messageOf } from '#base/error.ts';
import { CliError, type Context } from '../command.ts';
import { containerPath } from '../each.ts';
import { parseUnsigned } from '../flag-kind.ts';
import { compareNatural } from '../format/natural.ts';
import { alignTabs } from '../format/tabwriter.ts';

const PORT_MAX = 65_535n;

export async function run({ flags, args, client }: Context): Promise<number> {
  const [container = '', asked = ''] = args;
  if (flags.bool('traffic')) {
    const path = `/coracle${containerPath(container)}/ports`;
    const traffic = await client.json<PortTraffic[]>('GET', path);
    process.stdout.write(trafficText(traffic, asked === '' ? '' : keyOf(asked)));
    return 0;
  }
  const inspect = await client.json<ContainerInspect>('GET', `${containerPath(container)}/json`);
  const ports = inspect.NetworkSettings.Ports ?? {};
  const lines =
    asked === ''
      ? Object.entries(ports).flatMap(([port, bindings]) =>
          (bindings ?? []).map((binding) => `${port} -> ${addressOf(binding)}`),
        )
      : (ports[keyOf(asked)] ?? []).map(addressOf);
  if (asked !== '' && lines.length === 0) {
    throw new CliError(1, `Error: No public port '${asked}' published for ${container}`);
  }
  process.stdout.write(portLines(lines));
  return 0;
}

/** In docker's order. */
export function portLines(lines: readonly string[]): string {
  return lines
    .toSorted(compareNatural)
    .map((line) => `${line}\n`)
    .join('');
}

export function addressOf({ HostIp: ip, HostPort: port }: PortBinding): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}

/** "80" and "80/tcp" are the same port. */
function keyOf(asked: string): string {
  const slash = asked.indexOf('/');
  const port = slash < 0 ? asked : asked.slice(0, slash);
  try {
    parseUnsigned(port.replace(/^0+(?=\d)/, ''), PORT_MAX);
  } catch (error) {
    throw new CliError(1, `Error: invalid port (${port}): ${messageOf(error)}`, { cause: error });
  }
  return `${port}/${(slash < 0 ? '' : asked.slice(slash + 1)) || 'tcp'}`;
}

function trafficText(traffic: readonly PortTraffic[], wanted: string): string {
  const rows = traffic
    .map((each) => ({
      key: `${each.PrivatePort}/${each.Type}`,
      at: addressOf({ HostIp: each.IP, HostPort: String(each.PublicPort) }),
      counts: [each.Connections, each.Packets ?? '-', each.Bytes ?? '-'],
    }))
    .filter(({ key }) => wanted === '' || key === wanted)
    .map(({ key, at, counts }) => [key, at, ...counts].join('\t'));
  const header = ['PORT', 'PUBLISHED AT', 'CONNECTIONS', 'PACKETS', 'BYTES'].join('\t');
  return alignTabs(`${[header, ...rows].join('\n')}\n`);
}
