// The whole command line as one tree.
import type { CommandSpec } from '../command.ts';
import { bool, list, string } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';
import { BUILD, BUILDER_VERBS } from './build.ts';
import { CGROUP_VERBS } from './cgroup.ts';
import { CONTAINER_ONLY, CONTAINER_VERBS, PS } from './container.ts';
import { CONTEXT_VERBS } from './context.ts';
import { IMAGE_ONLY, IMAGE_VERBS, IMAGES, REGISTRY_VERBS, RMI } from './image.ts';
import { NETWORK_VERBS } from './network.ts';
import { SLICE_VERBS } from './slice.ts';
import { ROLLBACK, SNAPSHOT } from './snapshot.ts';
import { SYSTEM_ONLY, SYSTEM_VERBS, TOP_LEVEL } from './system.ts';
import { VOLUME_VERBS } from './volume.ts';

export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  flag('config', string, 'Location of client config files (default "~/.docker")'),
  flag(
    'context',
    string,
    'Name of the context to use to connect to the daemon (overrides CORACLE_HOST, DOCKER_HOST and default context set with "coracle context use")',
    { short: 'c' },
  ),
  flag('debug', bool, 'Enable debug mode', { short: 'D' }),
  flag('host', list, 'Daemon socket to connect to', { short: 'H' }),
  flag(
    'log-level',
    string,
    'Set the logging level ("debug", "info", "warn", "error", "fatal") (default "info")',
    { short: 'l' },
  ),
  flag('tls', bool, 'Use TLS; implied by --tlsverify'),
  flag('tlscacert', string, 'Trust certs signed only by this CA (default "~/.docker/ca.pem")'),
  flag('tlscert', string, 'Path to TLS certificate file (default "~/.docker/cert.pem")'),
  flag('tlskey', string, 'Path to TLS key file (default "~/.docker/key.pem")'),
  flag('tlsverify', bool, 'Use TLS and verify the remote'),
  flag('version', bool, 'Print version information and quit', { short: 'v' }),
];

/** A verb that is also found behind its noun. */
function both(noun: string, verbs: readonly CommandSpec[]): CommandSpec[] {
  return verbs.map((verb) => {
    const names = [verb.name, ...(verb.aliases ?? [])];
    return { ...verb, paths: [...names.map((name) => `${noun} ${name}`), verb.name] };
  });
}

const CONTAINER = both('container', CONTAINER_VERBS);
const IMAGE = both('image', IMAGE_VERBS);
const SYSTEM = both('system', SYSTEM_VERBS);

function noun(name: string, short: string, children: readonly CommandSpec[]): CommandSpec {
  const args = { rule: 'none' } as const;
  return { name, usage: 'COMMAND', short, args, children, group: 'management' };
}

export const ROOT: CommandSpec = {
  name: 'coracle',
  usage: '[OPTIONS] COMMAND',
  short: 'A container engine that you can read',
  args: { rule: 'none' },
  interspersed: false,
  children: [
    ...CONTAINER.map(({ aliases: _aliases, ...verb }) => verb),
    PS,
    BUILD,
    ...IMAGE,
    IMAGES,
    RMI,
    ...REGISTRY_VERBS,
    ...SYSTEM,
    ...TOP_LEVEL,
    ROLLBACK,
    noun('builder', 'Manage builds', BUILDER_VERBS),
    noun('cgroup', 'Look at cgroups', CGROUP_VERBS),
    noun('container', 'Manage containers', [...CONTAINER, ...CONTAINER_ONLY]),
    noun('context', 'Manage contexts', CONTEXT_VERBS),
    noun('image', 'Manage images', [BUILD, ...IMAGE, ...IMAGE_ONLY]),
    noun('network', 'Manage networks', NETWORK_VERBS),
    noun('slice', 'Manage slices: cgroups with limits, for containers together', SLICE_VERBS),
    SNAPSHOT,
    noun('system', 'Manage Coracle', [...SYSTEM, ...SYSTEM_ONLY]),
    noun('volume', 'Manage volumes', VOLUME_VERBS),
  ],
};
