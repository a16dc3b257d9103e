// The keys of the configuration file: what is taken, what of dockerd's file sets nothing here, and
// what is refused because passing it by would be worse than an error. docs/daemon.md has each key
// of dockerd with what becomes of it; a test compares. Pure data.

export type Kind = 'text' | 'boolean' | 'number' | 'size' | 'texts' | 'map' | 'list';

export const KEYS: Readonly<Record<string, Kind>> = {
  'data-root': 'text',
  'exec-root': 'text',
  pidfile: 'text',
  'log-level': 'text',
  hosts: 'texts',
  bridge: 'text',
  bip: 'text',
  bip6: 'text',
  'fixed-cidr': 'text',
  'fixed-cidr-v6': 'text',
  'default-gateway': 'text',
  'default-gateway-v6': 'text',
  'default-address-pools': 'list',
  'default-network-opts': 'map',
  icc: 'boolean',
  mtu: 'number',
  ipv6: 'boolean',
  ip: 'text',
  'ip-forward': 'boolean',
  'ip-masq': 'boolean',
  dns: 'texts',
  'dns-search': 'texts',
  'dns-opts': 'texts',
  'host-gateway-ip': 'text',
  'host-gateway-ips': 'texts',
  'firewall-backend': 'text',
  'cgroup-parent': 'text',
  'exec-opts': 'texts',
  'cpu-rt-period': 'number',
  'cpu-rt-runtime': 'number',
  'firewall-table': 'text',
  'registry-mirrors': 'texts',
  'insecure-registries': 'texts',
  'block-registries': 'texts',
  'certs-dir': 'text',
  proxies: 'map',
  'max-concurrent-downloads': 'number',
  'max-concurrent-uploads': 'number',
  'max-download-attempts': 'number',
  'download-rate': 'text',
  'default-runtime': 'text',
  runtimes: 'map',
  init: 'boolean',
  group: 'text',
  'default-ulimits': 'map',
  'default-shm-size': 'size',
  'default-ipc-mode': 'text',
  'default-cgroupns-mode': 'text',
  'log-driver': 'text',
  'log-opts': 'map',
  'no-new-privileges': 'boolean',
  'seccomp-profile': 'text',
  'storage-driver': 'text',
  'storage-opts': 'texts',
  labels: 'texts',
  debug: 'boolean',
  tls: 'boolean',
  tlsverify: 'boolean',
  tlscacert: 'text',
  tlscert: 'text',
  tlskey: 'text',
  'metrics-addr': 'text',
};

export type Idle = {
  readonly kind: Kind;
  /** What is so here, whatever the file says. */
  readonly why: string;
  /** The value that says what is so: nothing is told of it. */
  readonly same?: boolean | string;
};

const OUTLIVES = 'containers outlive the daemon, always';
const NO_PROXY = 'ports are published by the firewall alone';
const NO_SWARM = 'there is no swarm';
const NO_CONTAINERD = 'there is no containerd';
const OWN_INIT = 'the init is a part of the engine';

/** Taken, so that dockerd's file can be used as it is, and told in one line of the log. */
export const IDLE: Readonly<Record<string, Idle>> = {
  'live-restore': { kind: 'boolean', same: true, why: OUTLIVES },
  'shutdown-timeout': { kind: 'number', why: OUTLIVES },
  'userland-proxy': { kind: 'boolean', same: false, why: NO_PROXY },
  'userland-proxy-path': { kind: 'text', why: NO_PROXY },
  ip6tables: { kind: 'boolean', same: true, why: 'the rules are of both families, always' },
  'ip-forward-no-drop': {
    kind: 'boolean',
    same: true,
    why: 'the policy of the FORWARD chain is never changed',
  },
  containerd: { kind: 'text', why: NO_CONTAINERD },
  'containerd-namespace': { kind: 'text', why: NO_CONTAINERD },
  'containerd-plugin-namespace': { kind: 'text', why: NO_CONTAINERD },
  'containerd-plugins-namespace': { kind: 'text', why: NO_CONTAINERD },
  experimental: { kind: 'boolean', same: false, why: 'nothing is hidden behind it' },
  features: { kind: 'map', why: 'they are of builders and stores that are not here' },
  builder: {
    kind: 'map',
    why: 'the build cache is bounded by `coracle builder prune --keep-storage`',
  },
  'swarm-default-advertise-addr': { kind: 'text', why: NO_SWARM },
  'swarm-raft-heartbeat-tick': { kind: 'number', why: NO_SWARM },
  'swarm-raft-election-tick': { kind: 'number', why: NO_SWARM },
  'network-control-plane-mtu': { kind: 'number', why: NO_SWARM },
  'network-diagnostic-port': { kind: 'number', why: NO_SWARM },
  'node-generic-resources': { kind: 'texts', why: NO_SWARM },
  'allow-nondistributable-artifacts': {
    kind: 'texts',
    why: 'no image with such layers is taken',
  },
  'cdi-spec-dirs': { kind: 'texts', why: 'devices are named by their paths, with --device' },
  'init-path': { kind: 'text', why: OWN_INIT },
  'default-init': { kind: 'text', why: OWN_INIT },
  'raw-logs': { kind: 'boolean', why: 'lines are JSON with whole times, never coloured' },
  'log-format': { kind: 'text', same: 'json', why: 'lines are JSON' },
  'oom-score-adjust': { kind: 'number', why: 'it is OOMScoreAdjust= of the unit of the daemon' },
  'deprecated-key-path': { kind: 'text', why: 'the engine has no key' },
};

export type Refused = {
  readonly kind: Kind;
  /** The one value that can be taken: it asks for nothing. */
  readonly only?: boolean | string | readonly [];
  /** Why not, and what to do instead. */
  readonly why: string;
};

const GONE = 'dockerd has not had it since 23.0: leave it out';

/** To pass these by would make the host less safe than its owner thinks, or unreachable. */
export const REFUSED: Readonly<Record<string, Refused>> = {
  'authorization-plugins': {
    kind: 'texts',
    only: [],
    why: 'no plugin would be asked, and all be allowed: bound who may connect, by --group or TLS',
  },
  iptables: {
    kind: 'boolean',
    only: true,
    why:
      'ports and networks need rules, which are in a table of our own (--firewall-table): leave ' +
      'it out, or use --bridge none and --network host',
  },
  'selinux-enabled': {
    kind: 'boolean',
    only: false,
    why: 'containers would have no label of SELinux: leave it out if they need none',
  },
  'userns-remap': {
    kind: 'text',
    only: '',
    why: 'root inside would be root of the host: run containers with --userns auto instead',
  },
  rootless: { kind: 'boolean', only: false, why: 'the daemon must be run by root' },
  'api-cors-header': {
    kind: 'text',
    only: '',
    why: 'web pages are never let in: put a proxy before the daemon that answers them',
  },
  'allow-direct-routing': {
    kind: 'boolean',
    only: false,
    why:
      'it is set for each network: ' +
      'network create -o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected',
  },
  'bridge-accept-fwmark': {
    kind: 'text',
    only: '',
    why: 'packets would still be dropped: accept them by a rule of your own (docs/network.md)',
  },
  'cri-containerd': {
    kind: 'boolean',
    only: false,
    why: 'there is no containerd for a kubelet to use',
  },
  graph: { kind: 'text', only: '', why: 'it is called data-root' },
  'cluster-store': { kind: 'text', only: '', why: GONE },
  'cluster-advertise': { kind: 'text', only: '', why: GONE },
  'cluster-store-opts': { kind: 'map', why: GONE },
  'http-proxy': { kind: 'text', only: '', why: 'it stands inside of "proxies"' },
  'https-proxy': { kind: 'text', only: '', why: 'it stands inside of "proxies"' },
  'no-proxy': { kind: 'text', only: '', why: 'it stands inside of "proxies"' },
};
