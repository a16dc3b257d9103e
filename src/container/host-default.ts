// What the daemon's configuration says for containers that say nothing of it. It is settled when
// they are made, as dockerd does: a later change of the daemon does not reach them. Pure.
import type { HostConfig } from './spec.ts';

export type HostDefaults = Pick<HostConfig, 'ipcMode' | 'cgroupnsMode' | 'shmSize' | 'storageOpt'>;

export function withDefaults(host: HostConfig, defaults: HostDefaults): HostConfig {
  const hasSize = Object.keys(host.storageOpt).length > 0;
  return {
    ...host,
    ipcMode: host.ipcMode || defaults.ipcMode,
    // A privileged container has the host's, unless it says so itself.
    cgroupnsMode: host.cgroupnsMode || (host.privileged ? '' : defaults.cgroupnsMode),
    shmSize: host.shmSize || defaults.shmSize,
    storageOpt: hasSize ? host.storageOpt : defaults.storageOpt,
  };
}
