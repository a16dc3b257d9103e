// info: the engine's own description of itself and its host.
import { formatBinarySize } from '#base/bytes.ts';
import type { Info } from '#wire/system.ts';
import { API_VERSION } from '#wire/version.ts';
import type { Context } from '../command.ts';
import { contextName } from '../context/choose.ts';
import { ContextStore } from '../context/store.ts';
import { formatOf } from '../format/one.ts';
import { shaped } from '../format/shape.ts';
import { toJson } from '../format/template-functions.ts';
import { VERSION } from '../help.ts';

export async function run(context: Context): Promise<number> {
  const { client, configFolder, flags, globals } = context;
  const format = flags.string('format');
  const template = formatOf(format);
  const mine = {
    Debug: globals.bool('debug'),
    Version: VERSION,
    DefaultAPIVersion: API_VERSION,
    Context: contextName(globals, new ContextStore(configFolder), process.env),
    Plugins: [],
    Warnings: null,
  };
  if (format === '') process.stdout.write(clientText(mine));
  const server = await client.json<Info>('GET', '/info');
  const info = { ...server, ClientInfo: mine };
  if (format === 'json') process.stdout.write(`${toJson(info)}\n`);
  else if (template !== undefined) process.stdout.write(`${template(shaped(info))}\n`);
  else process.stdout.write(infoText(info));
  for (const warning of info.Warnings ?? []) process.stderr.write(`${warning}\n`);
  return 0;
}

function clientText(mine: Readonly<Record<string, unknown>>): string {
  const { Context: context, Debug: debug, DefaultAPIVersion: version, Version: own } = mine;
  const lines = [`Version:    ${own}`, `API:        ${version}`, `Context:    ${context}`];
  const all = [...lines, `Debug Mode: ${debug}`].map((line) => ` ${line}\n`);
  return `Client:\n${all.join('')}\nServer:\n`;
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
    `Swarm: ${info.Swarm?.LocalNodeState ?? 'inactive'}`,
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
