// What the instructions that only say something make of an image's config. Pure.
import { posix } from 'node:path';
import type { Healthcheck, ImageConfig } from '#image/config.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import type { Command, Healthcheck as Check } from './dockerfile/instruction.ts';

/** Of an image that says none, as every Docker has it. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

export function argvOf(command: Command, shell: readonly string[] | undefined): readonly string[] {
  return command.form === 'exec' ? command.argv : [...(shell ?? DEFAULT_SHELL), command.line];
}

export function setEnv(env: readonly string[], name: string, value: string): readonly string[] {
  const entry = `${name}=${value}`;
  const at = env.findIndex((each) => each.startsWith(`${name}=`));
  return at === -1 ? [...env, entry] : env.with(at, entry);
}

export function envMap(env: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    env.map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** An ENTRYPOINT takes the CMD of the base image away, one of the same file it keeps. */
export function setEntrypoint(
  config: ImageConfig,
  command: Command | undefined,
  cmdIsOwn: boolean,
): ImageConfig {
  const entrypoint = command === undefined ? undefined : argvOf(command, config.shell);
  return { ...config, entrypoint, cmd: cmdIsOwn ? config.cmd : undefined };
}

export function setWorkdir(config: ImageConfig, path: string): ImageConfig {
  return { ...config, workingDir: posix.resolve('/', config.workingDir, path) };
}

export function addVolumes(config: ImageConfig, paths: readonly string[]): ImageConfig {
  return { ...config, volumes: [...new Set([...config.volumes, ...paths])].toSorted() };
}

/** "80", "80/udp", "80-90/tcp" -> "80/tcp" ... */
export function portsOf(word: string, place: Place): readonly string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/i.exec(word);
  const low = Number(match?.[1]);
  const high = Number(match?.[2] ?? low);
  const protocol = (match?.[3] ?? 'tcp').toLowerCase();
  const good = match !== null && low > 0 && low <= high && high <= 65_535;
  if (!good) throw failure(place, `Invalid containerPort: ${word}`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) {
    throw failure(place, `Invalid proto: ${protocol}`);
  }
  return Array.from({ length: high - low + 1 }, (_, at) => `${low + at}/${protocol}`);
}

export function addPorts(config: ImageConfig, ports: readonly string[]): ImageConfig {
  return { ...config, exposedPorts: [...new Set([...config.exposedPorts, ...ports])].toSorted() };
}

export function healthcheckOf(check: Check): Healthcheck {
  const { command, interval, timeout, startPeriod, startInterval, retries } = check;
  const test =
    command === undefined
      ? ['NONE']
      : command.form === 'exec'
        ? ['CMD', ...command.argv]
        : ['CMD-SHELL', command.line];
  return { test, interval, timeout, startPeriod, startInterval, retries };
}
