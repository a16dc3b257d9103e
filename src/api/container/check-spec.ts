// What Docker refuses for reasons that lie in the request alone: options that exclude each other
// and formats. Ranges, modes and limits are checked by container/ and the cgroup manager, which
// know the host. Texts are Docker's (moby's runconfig behaves so).
import { EngineError } from '#base/error.ts';
import type { ContainerConfig, ContainerSpec } from '#container/spec.ts';

/** HOST_NAME_MAX (sethostname(2)). */
const HOSTNAME_BYTES_MAX = 64;

export function checkSpec(spec: ContainerSpec): void {
  checkConfig(spec.config);
  checkNetworkMode(spec);
  checkPorts(spec);
  for (const path of [...spec.config.volumes, ...Object.keys(spec.host.tmpfs)]) {
    if (path.startsWith('/')) continue;
    refuse(`invalid mount path: '${path.slice(0, 200)}' mount path must be absolute`);
  }
  const requests = spec.host.other['DeviceRequests'];
  if (Array.isArray(requests) && requests.length > 0) {
    refuse('could not select device driver: this engine has no device drivers (--gpus)');
  }
}

function checkConfig(config: ContainerConfig): void {
  if (Buffer.byteLength(config.hostname) > HOSTNAME_BYTES_MAX) {
    refuse(`invalid hostname: longer than ${HOSTNAME_BYTES_MAX} bytes`);
  }
  const kind = config.healthcheck?.test[0];
  if (kind !== undefined && !['', 'NONE', 'CMD', 'CMD-SHELL'].includes(kind)) {
    refuse(`unknown type ${JSON.stringify(kind.slice(0, 100))} in healthcheck`);
  }
}

function checkNetworkMode({ config, host }: ContainerSpec): void {
  const joins = host.networkMode.startsWith('container:');
  const isHost = host.networkMode === 'host';
  if (joins && host.networkMode === 'container:') {
    refuse('invalid container format container:<name|id>');
  }
  const undefinedBehaviour = "can't be used with links. This would result in undefined behavior";
  if (config.hostname !== '' && host.utsMode === 'host') {
    refuse('conflicting options: hostname and the UTS mode');
  }
  if (config.hostname !== '' && joins) refuse('conflicting options: hostname and the network mode');
  if (joins && host.links.length > 0) {
    refuse(`conflicting options: container type network ${undefinedBehaviour}`);
  }
  if (isHost && host.links.length > 0) {
    refuse(`conflicting options: host type networking ${undefinedBehaviour}`);
  }
  if (joins && host.dns.length > 0) refuse('conflicting options: dns and the network mode');
  if (joins && host.extraHosts.length > 0) {
    refuse('conflicting options: custom host-to-IP mapping and the network mode');
  }
  if (joins && (host.publishAllPorts || Object.keys(host.portBindings).length > 0)) {
    refuse('conflicting options: port publishing and the container type network mode');
  }
  if (joins && config.exposedPorts.length > 0) {
    refuse('conflicting options: port exposing and the container type network mode');
  }
  for (const extra of host.extraHosts) {
    if (!/^[^:=]+[:=].+$/s.test(extra)) {
      refuse(`bad format for add-host: ${JSON.stringify(extra.slice(0, 200))}`);
    }
  }
}

function checkPorts({ config, host }: ContainerSpec): void {
  const checkPort = (text: string, ranges: boolean): void => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
    const valid =
      match !== null &&
      Number(match[1]) <= 65_535 &&
      Number(match[2] ?? 0) <= 65_535 &&
      (ranges || match[2] === undefined);
    if (!valid) refuse(`invalid port specification: ${JSON.stringify(text.slice(0, 100))}`);
  };
  for (const port of config.exposedPorts) checkPort(port, true);
  for (const [port, bindings] of Object.entries(host.portBindings)) {
    checkPort(port, false);
    for (const { hostPort } of bindings) if (hostPort !== '') checkPort(hostPort, true);
  }
}

function refuse(message: string): never {
  throw new EngineError('invalid_argument', message);
}
