// version: ours and the daemon's.
import { API_VERSION } from '#wire/version.ts';
import type { Version } from '#wire/system.ts';
import type { Context } from '../command.ts';
import { contextName } from '../context/choose.ts';
import { ContextStore } from '../context/store.ts';
import { formatOf } from '../format/one.ts';
import { shaped } from '../format/shape.ts';
import { toJson } from '../format/template-functions.ts';
import { VERSION } from '../help.ts';

export async function run({ client, configFolder, flags, globals }: Context): Promise<number> {
  const format = flags.string('format');
  const template = formatOf(format);
  let server: Version | undefined;
  let failure: unknown;
  try {
    server = await client.json<Version>('GET', '/version');
  } catch (error) {
    failure = error;
  }
  const data = {
    Client: {
      Version: VERSION,
      ApiVersion: client.version,
      DefaultAPIVersion: API_VERSION,
      NodeVersion: process.version,
      Os: process.platform,
      Arch: archName(),
      Context: contextName(globals, new ContextStore(configFolder), process.env),
    },
    Server: server ?? null,
  };
  if (format === 'json') process.stdout.write(`${toJson(data)}\n`);
  else if (template !== undefined) {
    if (server !== undefined || !format.includes('.Server')) {
      process.stdout.write(`${template(shaped(data))}\n`);
    }
  } else process.stdout.write(versionText(data.Client, server));
  if (failure !== undefined) throw failure;
  return 0;
}

function archName(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

type Lines = readonly (readonly [string, string])[];

function versionText(
  client: Readonly<Record<string, string>>,
  server: Version | undefined,
): string {
  const parts = [
    `Client: Coracle\n${block([
      ['Version', client['Version'] ?? ''],
      ['API version', client['ApiVersion'] ?? ''],
      ['Node version', client['NodeVersion'] ?? ''],
      ['OS/Arch', `${client['Os']}/${client['Arch']}`],
      ['Context', client['Context'] ?? ''],
    ])}`,
  ];
  if (server !== undefined) {
    const minimum = `(minimum version ${server.MinAPIVersion})`;
    parts.push(
      `\nServer: ${server.Platform?.Name ?? ''}`.trimEnd(),
      `\n Engine:\n${block(
        [
          ['Version', server.Version],
          ['API version', `${server.ApiVersion} ${minimum}`],
          ['Git commit', server.GitCommit],
          ['OS/Arch', `${server.Os}/${server.Arch}`],
          ['Kernel', server.KernelVersion],
        ],
        '  ',
      )}`,
    );
  }
  return parts.join('');
}

function block(lines: Lines, indent = ' '): string {
  return lines.map(([name, value]) => `${indent}${`${name}:`.padEnd(19)}${value}\n`).join('');
}
