// A container's record → the Box that the runtime puts a process into. Decisions only: what it
// needs to know of the host comes as arguments.
import { join } from 'node:path';
import type { Box, BoxDevice, BoxNamespaces, BoxResources, BoxRoot, BoxShm } from '#runtime/box.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { Settings } from './deps.ts';
import { planLog } from './log-plan.ts';
import { processEnv } from './merge.ts';
import { boxMounts } from './box-mounts.ts';
import type { ContainerRecord } from './record.ts';
import { parseSecurityOpt } from './security.ts';

export type BoxFacts = {
  readonly settings: Settings;
  readonly namespaces: BoxNamespaces;
  readonly shm: BoxShm;
  readonly devices: readonly BoxDevice[];
  readonly root: BoxRoot['mount'];
  /** The cgroup that its own is made in. */
  readonly cgroupParent: string;
  readonly resources: BoxResources;
  readonly realtime: Settings['realtime'];
  /** The container's directory below the data root. */
  readonly directory: string;
  /** That of the container whose hosts, hostname and resolv.conf it has. */
  readonly filesOf: string;
  /** Variables of links; the image's and the user's win. */
  readonly env: readonly string[];
  readonly isFile: (path: string) => boolean;
  /** Directories of an image's layers, the top one first. */
  readonly layersOf: (chain: ChainId) => readonly string[];
};

/** Half an id is enough to be unique, and leaves room in sun_path (unix(7)). */
const RUN_NAME_LENGTH = 32;

/** Where the monitor of a container has its socket and its exit file. */
export function runDirectoryOf(settings: Settings, id: string): string {
  return join(settings.runDirectory, runNameOf(id));
}

export function runNameOf(id: string): string {
  return id.slice(0, RUN_NAME_LENGTH);
}

/** Where the files of a container are, below its directory. */
export function pathsOf(directory: string, id: string) {
  return {
    log: join(directory, `${id}-json.log`),
    hosts: join(directory, 'hosts'),
    hostname: join(directory, 'hostname'),
    resolvConf: join(directory, 'resolv.conf'),
  };
}

export function makeBox(record: ContainerRecord, facts: BoxFacts): Box {
  const { config, host } = record.spec;
  const { settings, directory } = facts;
  const paths = pathsOf(directory, record.id);
  return {
    id: record.id,
    runtime: host.runtime === '' ? settings.defaultRuntime : host.runtime,
    hostname: record.merged.hostname,
    domainname: config.domainname,
    process: makeProcess(record, settings, facts.env),
    security: makeSecurity(record, settings),
    namespaces: facts.namespaces,
    // After a power cut a container of --rm is removed, whatever it had written.
    root: { readonly: host.readonlyRootfs, volatile: host.autoRemove, mount: facts.root },
    mounts: boxMounts(record, facts),
    files: ownFiles(record, pathsOf(facts.filesOf, record.id)),
    devices: facts.devices,
    deviceRules: host.deviceCgroupRules,
    sysctls: host.sysctls,
    shm: facts.shm,
    cgroup: {
      parent: facts.cgroupParent,
      name: settings.cgroupName(record.id),
      resources: facts.resources,
      ...(facts.realtime === undefined ? {} : { realtime: facts.realtime }),
    },
    log: makeLog(record, settings, paths.log),
    annotations: host.annotations,
  };
}

/** A mount of the user on one of the three files takes its place. */
function ownFiles(record: ContainerRecord, paths: ReturnType<typeof pathsOf>): Box['files'] {
  const taken = new Set(record.mounts.map((mount) => mount.destination));
  return {
    ...(taken.has('/etc/hosts') ? {} : { hosts: paths.hosts }),
    ...(taken.has('/etc/hostname') ? {} : { hostname: paths.hostname }),
    ...(taken.has('/etc/resolv.conf') ? {} : { resolvConf: paths.resolvConf }),
  };
}

function makeProcess(
  record: ContainerRecord,
  settings: Settings,
  links: readonly string[],
): Box['process'] {
  const { config, host } = record.spec;
  const { merged } = record;
  const [height, width] = host.consoleSize;
  return {
    argv: [merged.path, ...merged.args],
    env: processEnv(merged, { hostname: merged.hostname, tty: config.tty, links }),
    cwd: merged.workingDir === '' ? '/' : merged.workingDir,
    user: merged.user,
    groups: host.groupAdd,
    stdio: {
      tty: config.tty,
      stdin: config.openStdin ? (config.stdinOnce ? 'once' : 'open') : 'none',
    },
    consoleSize: height === 0 && width === 0 ? undefined : { height, width },
    rlimits: mergeUlimits(settings.ulimits, host.ulimits),
    oomScoreAdj: host.oomScoreAdj,
    init: host.init ?? settings.init,
  };
}

function mergeUlimits(defaults: Settings['ulimits'], own: Settings['ulimits']) {
  const merged = new Map(defaults.map((limit) => [limit.name, limit]));
  for (const limit of own) merged.set(limit.name, limit);
  return [...merged.values()];
}

function makeSecurity(record: ContainerRecord, settings: Settings): Box['security'] {
  const { host } = record.spec;
  // --privileged has no filter, but for one that the user asks for by name.
  const defaults = host.privileged
    ? { ...settings.security, seccomp: 'unconfined' as const }
    : settings.security;
  const security = parseSecurityOpt(host.securityOpt, defaults);
  return {
    privileged: host.privileged,
    capAdd: host.capAdd,
    capDrop: host.capDrop,
    noNewPrivileges: security.noNewPrivileges,
    seccomp: security.seccomp,
    maskedPaths: host.maskedPaths,
    readonlyPaths: host.readonlyPaths,
  };
}

function makeLog(record: ContainerRecord, settings: Settings, path: string): Box['log'] {
  return planLog(record, settings, path);
}
