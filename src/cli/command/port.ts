// port: where the ports of a container are published.
import type { ContainerInspect } from '#wire/container.ts';
import { CliError, type Context } from '../command.ts';
import { containerPath } from '../each.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', asked] = args;
  const inspect = await client.json<ContainerInspect>('GET', `${containerPath(container)}/json`);
  const ports = inspect.NetworkSettings.Ports ?? {};
  const lines: string[] = [];
  const wanted = asked === undefined || asked.includes('/') ? asked : `${asked}/tcp`;
  for (const [port, bindings] of Object.entries(ports).sort(byPort)) {
    if (wanted !== undefined && port !== wanted) continue;
    for (const binding of bindings ?? []) {
      const { HostIp: ip = '', HostPort: host = '' } = binding;
      const at = `${ip.includes(':') ? `[${ip}]` : ip}:${host}`;
      lines.push(wanted === undefined ? `${port} -> ${at}\n` : `${at}\n`);
    }
  }
  if (wanted !== undefined && lines.length === 0) {
    throw new CliError(1, `Error: No public port '${asked}' published for ${container}`);
  }
  process.stdout.write(lines.join(''));
  return 0;
}

function byPort([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1);
}
