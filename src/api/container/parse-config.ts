// Docker's Config: what the image could also say.
import type { ContainerConfig, Healthcheck } from '#container/spec.ts';
import { olderThan } from '#wire/version.ts';
import type { Fields } from '../decode.ts';

export function parseConfig(body: Fields, version: string): ContainerConfig {
  const stopSignal = body.string('StopSignal');
  return {
    hostname: body.string('Hostname'),
    domainname: body.string('Domainname'),
    user: body.string('User'),
    attachStdin: body.bool('AttachStdin'),
    attachStdout: body.bool('AttachStdout'),
    attachStderr: body.bool('AttachStderr'),
    exposedPorts: body.keys('ExposedPorts'),
    tty: body.bool('Tty'),
    openStdin: body.bool('OpenStdin'),
    stdinOnce: body.bool('StdinOnce'),
    env: body.strings('Env') ?? [],
    cmd: body.stringOrStrings('Cmd'),
    healthcheck: parseHealthcheck(body.object('Healthcheck'), version),
    image: body.string('Image'),
    volumes: body.keys('Volumes'),
    workingDir: body.string('WorkingDir'),
    entrypoint: body.stringOrStrings('Entrypoint'),
    networkDisabled: body.bool('NetworkDisabled'),
    onBuild: body.strings('OnBuild') ?? [],
    labels: body.stringMap('Labels'),
    stopSignal: stopSignal === '' ? undefined : stopSignal,
    stopTimeout: body.optionalInt('StopTimeout'),
    shell: body.stringOrStrings('Shell'),
  };
}

function parseHealthcheck(health: Fields | undefined, version: string): Healthcheck | undefined {
  if (health === undefined) return undefined;
  return {
    test: health.strings('Test') ?? [],
    interval: health.int('Interval'),
    timeout: health.int('Timeout'),
    retries: health.int('Retries'),
    startPeriod: health.int('StartPeriod'),
    // Added in 1.44; an older client cannot mean it.
    startInterval: olderThan(version, '1.44') ? 0 : health.int('StartInterval'),
  };
}
