// version: ours and the daemon's.
import { API_VERSION } from '#wire/version.ts';
import type { Version } from '#wire/system.ts';
import type { Context } from '../command.ts';
import { unescapeFormat } from '../format/list.ts';
import { compileTemplate } from '../format/template.ts';
import { toJson } from '../format/template-functions.ts';
import { VERSION } from '../help.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const format = flags.string('format');
  const template =
    format === '' || format === 'json' ? undefined : compileTemplate(unescapeFormat(format));
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
    },
    Server: server ?? null,
  };
  if (format === 'json') process.stdout.write(`${toJson(data)}\n`);
  else if (template !== undefined) {
    if (server !== undefined || !format.includes('.Server')) {
      process.stdout.write(`${template(data)}\n`);
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
