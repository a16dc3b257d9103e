// The flags of `coracle daemon`, as the daemon reads them and as the command line completes and
// explains them: it has no other part of the daemon. Each flag of dockerd is among them, also those
// that set nothing or are refused, which are made of the keys of the file. Data only.
import { IDLE, type Kind, REFUSED } from './daemon-key.ts';

export type DaemonFlag = {
  readonly name: string;
  /**
   * `pairs` are KEY=VALUE, `ulimits` NAME=SOFT[:HARD], `runtimes` NAME=PATH, `options`
   * DRIVER=KEY=VALUE, each many times; an `entry` is one of an object.
   */
  readonly kind:
    | 'text'
    | 'boolean'
    | 'number'
    | 'list'
    | 'pairs'
    | 'ulimits'
    | 'runtimes'
    | 'options'
    | 'entry';
  readonly help: string;
  readonly short?: string;
  /** The key of daemon.json; '' is not settable there. */
  readonly key: string;
};

type Rest = Partial<Pick<DaemonFlag, 'short' | 'key'>>;

function ofKind(kind: DaemonFlag['kind']) {
  return (name: string, help: string, rest: Rest = {}): DaemonFlag => ({
    name,
    kind,
    help,
    key: name,
    ...rest,
  });
}
const [text, boolean] = [ofKind('text'), ofKind('boolean')];
const [list, pairs, entry] = [ofKind('list'), ofKind('pairs'), ofKind('entry')];

export const SETTING_FLAGS: readonly DaemonFlag[] = [
  ofKind('runtimes')('add-runtime', 'NAME=PATH of another OCI runtime (many allowed)', {
    key: 'runtimes',
  }),
  text('bip', 'Address of the default bridge (172.17.0.1/16)'),
  text('bip6', 'IPv6 address of the default bridge'),
  list('block-registry', 'Registry that is never asked, *.DOMAIN for all below (many allowed)', {
    key: 'block-registries',
  }),
  text('bridge', 'Default bridge, or none (coracle0)', { short: 'b' }),
  text('certs-dir', 'HOST[:PORT]/*.crt of registries (/etc/coracle/certs.d, /etc/docker/certs.d)'),
  text(
    'cgroup-parent',
    'Parent cgroup of all containers (/coracle, coracle.slice; with a suffix for other data roots)',
  ),
  text('config-file', 'Configuration file (/etc/coracle/daemon.json)', { key: '' }),
  text('cpu-rt-period', 'Period of real-time for all containers, in microseconds (1000000)'),
  text('cpu-rt-runtime', 'Real-time of all containers together in a period, in microseconds (0)'),
  text('data-root', 'Directory of persistent state (/var/lib/coracle)', { short: 'g' }),
  boolean('debug', 'Log everything (log level debug)', { short: 'D' }),
  list('default-address-pool', 'base=PREFIX,size=BITS of networks (many allowed)', {
    key: 'default-address-pools',
  }),
  text(
    'default-cgroupns-mode',
    'host or private, of containers that say nothing (as the host has)',
  ),
  text('default-gateway', 'Gateway of the default bridge'),
  text('default-gateway-v6', 'IPv6 gateway of the default bridge'),
  text('default-ipc-mode', 'private or shareable, of containers that say nothing (private)'),
  ofKind('options')('default-network-opt', 'DRIVER=KEY=VALUE of new networks (many allowed)', {
    key: 'default-network-opts',
  }),
  text('default-runtime', 'Runtime of containers that name none (coracle)'),
  text('default-shm-size', 'Size of /dev/shm of containers that say nothing (64M)'),
  ofKind('ulimits')('default-ulimit', 'NAME=SOFT[:HARD] of containers (many allowed)', {
    key: 'default-ulimits',
  }),
  list('dns', 'DNS server of containers (many allowed)'),
  list('dns-opt', 'Option of resolv.conf (many allowed)', { key: 'dns-opts' }),
  list('dns-search', 'Search domain (many allowed)'),
  text('download-rate', 'Bytes a second of all pulls together, as 10mb (no limit)'),
  list('exec-opt', 'native.cgroupdriver=cgroupfs|systemd: how cgroups are called (cgroupfs)', {
    key: 'exec-opts',
  }),
  text('exec-root', 'Directory of runtime state (/run/coracle)'),
  text('firewall-backend', 'nftables or iptables (nftables)'),
  text(
    'firewall-table',
    'Name of our table in the firewall (coracle, with a suffix for other data roots)',
  ),
  text('fixed-cidr', 'Range of addresses on the default bridge'),
  text('fixed-cidr-v6', 'Range of IPv6 addresses on the default bridge'),
  text('group', 'Group that may use the socket (docker)', { short: 'G' }),
  boolean('help', 'Print this help', { short: 'h', key: '' }),
  list('host', 'Socket to serve: unix://PATH, tcp://HOST:PORT or fd:// (many allowed)', {
    short: 'H',
    key: 'hosts',
  }),
  list('host-gateway-ip', 'What --add-host NAME:host-gateway means (the address of the bridge)', {
    key: 'host-gateway-ips',
  }),
  entry('http-proxy', 'Proxy of the daemon for http (HTTP_PROXY)', { key: 'proxies' }),
  entry('https-proxy', 'Proxy of the daemon for https (HTTPS_PROXY)', { key: 'proxies' }),
  boolean('icc', 'Let containers on the default bridge talk to each other (true)'),
  boolean('init', 'Run an init in every container'),
  list('insecure-registry', 'HOST[:PORT] or CIDR that may be asked without TLS (many allowed)', {
    key: 'insecure-registries',
  }),
  text('ip', 'Where ports are published by default (0.0.0.0)'),
  boolean('ip-forward', 'Switch on forwarding when a network needs it (true)'),
  boolean('ip-masq', 'MASQUERADE the default bridge (true)'),
  boolean('ipv6', 'IPv6 on the default bridge'),
  list('label', 'KEY=VALUE that info tells of this daemon (many allowed)', { key: 'labels' }),
  text('log-driver', 'Log driver of containers that name none (json-file)'),
  text('log-level', 'debug, info, warn, error or fatal (info)', { short: 'l' }),
  pairs('log-opt', 'KEY=VALUE of the log driver (many allowed)', { key: 'log-opts' }),
  text('max-concurrent-downloads', 'Layers downloaded at once (3)'),
  text('max-concurrent-uploads', 'Layers uploaded at once (5)'),
  text('max-download-attempts', 'Attempts of one request or transfer (5)'),
  text('metrics-addr', 'HOST:PORT that serves /metrics to Prometheus (none)'),
  text('mtu', 'MTU of the default bridge (1500)'),
  entry('no-proxy', 'Hosts that are asked without a proxy (NO_PROXY)', { key: 'proxies' }),
  boolean('no-new-privileges', 'Processes of all containers never gain privileges'),
  text('pidfile', 'File for the process id (EXEC-ROOT/coracle.pid)', { short: 'p' }),
  list('registry-mirror', 'Mirror of Docker Hub, or HOST=URL of any registry (many allowed)', {
    key: 'registry-mirrors',
  }),
  text('seccomp-profile', 'Path, builtin or unconfined, of containers that name none (builtin)'),
  text(
    'storage-driver',
    'overlay2 or copy (overlay2, where the kernel can mount it on the data root)',
    { short: 's' },
  ),
  list('storage-opt', 'overlay2.size=SIZE: the most that a container writes (many allowed)', {
    key: 'storage-opts',
  }),
  boolean('tls', 'Serve TCP with TLS; false: without is meant'),
  text('tlscacert', 'Certificates that clients are trusted by (~/.docker/ca.pem)'),
  text('tlscert', 'Certificate (~/.docker/cert.pem)'),
  text('tlskey', 'Key of the certificate (~/.docker/key.pem)'),
  boolean('tlsverify', 'Serve TCP with TLS, and only clients that have a certificate'),
  boolean('validate', 'Check the configuration and end', { key: '' }),
  boolean('version', 'Print the version and end', { short: 'v', key: '' }),
];

/** Keys that are in the file alone, here and in dockerd; of proxies the flags are above. */
const FILE_ONLY = new Set([
  'builder',
  'default-init',
  'swarm-raft-heartbeat-tick',
  'swarm-raft-election-tick',
  ...SETTING_FLAGS.map(({ name }) => name),
]);
/** What a flag adds one to is called in the singular by dockerd. */
const SINGULAR = new Set([
  'authorization-plugins',
  'cdi-spec-dirs',
  'cluster-store-opts',
  'features',
  'node-generic-resources',
]);
const KINDS = {
  text: 'text',
  boolean: 'boolean',
  number: 'number',
  size: 'text',
  texts: 'list',
  list: 'list',
  map: 'pairs',
} as const satisfies Record<Kind, DaemonFlag['kind']>;

function flagsOf(
  keys: Readonly<Record<string, { readonly kind: Kind; readonly why: string }>>,
  effect: string,
): readonly DaemonFlag[] {
  return Object.entries(keys)
    .filter(([key]) => !FILE_ONLY.has(key))
    .map(([key, { kind, why }]) => {
      const name = SINGULAR.has(key) ? key.slice(0, -1) : key;
      return ofKind(KINDS[kind])(name, `${effect}: ${why}`, { key });
    });
}

/** Of dockerd, with what is so here. */
export const FOREIGN_FLAGS: readonly DaemonFlag[] = [
  ...flagsOf(IDLE, 'Sets nothing'),
  ...flagsOf(REFUSED, 'Refused'),
].toSorted((a, b) => (a.name < b.name ? -1 : 1));

/** In the order of --help. */
export const DAEMON_FLAGS: readonly DaemonFlag[] = [...SETTING_FLAGS, ...FOREIGN_FLAGS];
