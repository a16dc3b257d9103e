// info: the engine's own description of itself and its host.
import { formatBinarySize } from '#base/bytes.ts';
import type { Info } from '#wire/system.ts';
import { API_VERSION } from '#wire/version.ts';
import type { Context } from '../command.ts';
import { unescapeFormat } from '../format/list.ts';
import { compileTemplate } from '../format/template.ts';
import { toJson } from '../format/template-functions.ts';
import { VERSION } from '../help.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const format = flags.string('format');
  const template =
    format === '' || format === 'json' ? undefined : compileTemplate(unescapeFormat(format));
  if (format === '') {
    process.stdout.write(`Client:\n Version:    ${VERSION}\n API:        ${API_VERSION}\n\n`);
    process.stdout.write('Server:\n');
  }
  const info = await client.json<Info>('GET', '/info');
  if (format === 'json') process.stdout.write(`${toJson(info)}\n`);
  else if (template !== undefined) process.stdout.write(`${template(info)}\n`);
  else process.stdout.write(infoText(info));
  for (const warning of info.Warnings ?? []) process.stderr.write(`${warning}\n`);
  return 0;
}

function infoText(info: Info): string {
  const lines = [
    `Containers: ${info.Containers}`,
    ` Running: ${info.ContainersRunning}`,
    ` Paused: ${info.ContainersPaused}`,
    ` Stopped: ${info.ContainersStopped}`,
    `Images: ${info.Images}`,
    `Server Version: ${info.ServerVersion}`,
    `Storage Driver: ${info.Driver}`,
    ...(info.DriverStatus ?? []).map(([name, value]) => ` ${name}: ${value}`),
    `Logging Driver: ${info.LoggingDriver}`,
    `Cgroup Driver: ${info.CgroupDriver}`,
    `Cgroup Version: ${info.CgroupVersion}`,
    'Plugins:',
    ` Volume: ${(info.Plugins?.Volume ?? []).join(' ')}`,
    ` Network: ${(info.Plugins?.Network ?? []).join(' ')}`,
    ` Log: ${(info.Plugins?.Log ?? []).join(' ')}`,
    `Runtimes: ${Object.keys(info.Runtimes ?? {}).join(' ')}`,
    `Default Runtime: ${info.DefaultRuntime}`,
    ...securityLines(info.SecurityOptions ?? []),
    `Kernel Version: ${info.KernelVersion}`,
    `Operating System: ${info.OperatingSystem}`,
    `OSType: ${info.OSType}`,
    `Architecture: ${info.Architecture}`,
    `CPUs: ${info.NCPU}`,
    `Total Memory: ${formatBinarySize(info.MemTotal)}`,
    `Name: ${info.Name}`,
    `ID: ${info.ID}`,
    `Root Dir: ${info.DockerRootDir}`,
    `Debug Mode: ${info.Debug}`,
    ...((info.Labels ?? []).length === 0
      ? []
      : ['Labels:', ...info.Labels.map((label) => ` ${label}`)]),
    `Experimental: ${info.ExperimentalBuild}`,
    ...registryLines(info.RegistryConfig),
    `Live Restore Enabled: ${info.LiveRestoreEnabled}`,
  ];
  return `${lines.map((line) => ` ${line}`.trimEnd()).join('\n')}\n\n`;
}

/** As docker's; and of other registries than Docker Hub their mirrors, which docker has not. */
function registryLines(config: Info['RegistryConfig'] | null): string[] {
  const indexes = Object.values(config?.IndexConfigs ?? {});
  const insecure = indexes.filter(({ Secure: secure }) => !secure).map(({ Name: name }) => name);
  const list = (title: string, values: readonly string[]): string[] =>
    values.length === 0 ? [] : [`${title}:`, ...values.map((value) => ` ${value}`)];
  return [
    ...list('Insecure Registries', [...insecure, ...(config?.InsecureRegistryCIDRs ?? [])]),
    ...list('Registry Mirrors', config?.Mirrors ?? []),
    ...indexes
      .filter(({ Official: official }) => !official)
      .flatMap(({ Mirrors: mirrors, Name: name }) => list(`Registry Mirrors of ${name}`, mirrors)),
  ];
}

/** "name=seccomp,profile=builtin" as two lines. */
function securityLines(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const lines = options.flatMap((option) => {
    const [name = '', ...rest] = option.split(',');
    const more = rest.map((pair) => {
      const [key = '', value = ''] = pair.split('=');
      return `  ${key[0]?.toUpperCase()}${key.slice(1)}: ${value}`;
    });
    return [` ${name.replace(/^name=/, '')}`, ...more];
  });
  return ['Security Options:', ...lines];
}
