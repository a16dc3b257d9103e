// What is refused at create: modes, ulimits, sysctls, log drivers, ranges. Pure; texts are
// Docker's.
import { EngineError } from '#base/error.ts';
import type { NetworkMode } from '#network/mode.ts';
import { checkReservation } from './change-limits.ts';
import { parseUsernsMode } from './userns.ts';
import { rootSize } from './root-size.ts';
import type { ContainerConfig, Healthcheck, HostConfig } from './spec.ts';

const RLIMITS = new Set([
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]);
const IPC_SYSCTLS = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);
/** One millisecond in nanoseconds: the shortest duration of a health check. */
const HEALTH_NS_MIN = 1_000_000;
export function checkConfig(config: ContainerConfig): void {
  if (config.workingDir !== '' && !config.workingDir.startsWith('/')) {
    throw invalid(
      `the working directory '${config.workingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  for (const entry of config.env) {
    if (entry === '' || entry.startsWith('='))
      throw invalid(`invalid environment variable: ${entry}`);
    if (entry.includes('\0')) throw invalid('invalid environment variable: it contains a NUL');
  }
  for (const word of [...(config.cmd ?? []), ...(config.entrypoint ?? [])]) {
    if (word.includes('\0')) throw invalid('invalid command: it contains a NUL');
  }
  if (config.healthcheck !== undefined) checkHealthcheck(config.healthcheck);
}

function checkHealthcheck(check: Healthcheck): void {
  const durations = [
    ['Interval', check.interval],
    ['Timeout', check.timeout],
    ['StartPeriod', check.startPeriod],
    ['StartInterval', check.startInterval],
  ] as const;
  for (const [name, value] of durations) {
    if (value !== 0 && value < HEALTH_NS_MIN) {
      throw invalid(`${name} in Healthcheck cannot be less than 1ms`);
    }
  }
  if (check.retries < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

export function checkHost(host: HostConfig, network: NetworkMode): void {
  const ipc = ['', 'private', 'shareable', 'host', 'none'];
  checkMode('IPC', host.ipcMode, ipc, true);
  checkMode('PID', host.pidMode, ['', 'private', 'host'], true);
  checkMode('UTS', host.utsMode, ['', 'private', 'host'], false);
  checkMode('cgroup namespace', host.cgroupnsMode, ['', 'private', 'host'], false);
  checkMode('time namespace', host.timensMode, ['', 'private', 'host'], false);
  if (host.shmSize !== undefined && host.shmSize < 0) {
    throw invalid('SHM size can not be less than 0');
  }
  if (host.oomScoreAdj < -1000 || host.oomScoreAdj > 1000) {
    throw invalid(`Invalid value ${host.oomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (Object.hasOwn(host.annotations, '')) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  checkReservation(host);
  checkUserns(host, network);
  checkNetPrio(host);
  for (const limit of host.ulimits) checkUlimit(limit);
  for (const key of Object.keys(host.sysctls)) checkSysctl(key, host, network);
  rootSize(host);
}

/** net_prio knows the interfaces of the host only: elsewhere the kernel would ignore it. */
export function checkNetPrio({ netPrio, networkMode }: HostConfig): void {
  if (Object.keys(netPrio).length === 0 || networkMode === 'host') return;
  throw invalid(
    'conflicting options: NetPrio names interfaces of the host, which a container with a network of ' +
      'its own does not use: run it with --network host',
  );
}

function checkMode(what: string, mode: string, plain: readonly string[], joins: boolean): void {
  if (plain.includes(mode)) return;
  if (joins && mode.startsWith('container:') && mode !== 'container:') return;
  throw invalid(`invalid ${what} mode: ${mode}`);
}

function checkUserns(host: HostConfig, network: NetworkMode): void {
  if (parseUsernsMode(host.usernsMode).mode === 'host') return;
  if (host.privileged) {
    throw invalid(
      'privileged mode is incompatible with user namespaces.  You must run the container in the ' +
        'host namespace when running privileged mode',
    );
  }
  if (network.mode === 'host') {
    throw invalid("cannot share the host's network namespace when user namespaces are enabled");
  }
  if (host.pidMode === 'host') {
    throw invalid('cannot share the host PID namespace when user namespaces are enabled');
  }
}

export function checkUlimit(limit: HostConfig['ulimits'][number]): void {
  if (!RLIMITS.has(limit.name)) throw invalid(`invalid ulimit type: ${limit.name}`);
  if (limit.hard !== -1 && (limit.soft === -1 || limit.soft > limit.hard)) {
    throw invalid(
      'ulimit soft limit must be less than or equal to hard limit: ' +
        `${limit.soft} > ${limit.hard}`,
    );
  }
}

/** Only what belongs to a namespace that the container has for itself (texts are runc's). */
function checkSysctl(name: string, host: HostConfig, network: NetworkMode): void {
  const key = name.replaceAll('/', '.');
  const quoted = JSON.stringify(name);
  if (IPC_SYSCTLS.has(key) || key.startsWith('fs.mqueue.')) {
    if (host.ipcMode !== 'host') return;
    throw invalid(`sysctl ${quoted} is not allowed in the hosts ipc namespace`);
  }
  if (key.startsWith('net.')) {
    if (network.mode !== 'host') return;
    throw invalid(`sysctl ${quoted} not allowed in host network namespace`);
  }
  if (key === 'kernel.domainname' && host.utsMode !== 'host') return;
  if (key === 'kernel.hostname') {
    throw invalid(`sysctl ${quoted} conflicts with OCI hostname setting`);
  }
  throw invalid(`sysctl ${quoted} is not in a separate kernel namespace`);
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
