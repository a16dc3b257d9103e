// The flags of `coracle daemon`, as the daemon reads them and as the command line completes and
// explains them: it has no other part of the daemon. Data only.

export type DaemonFlag = {
  readonly name: string;
  readonly kind: 'text' | 'boolean' | 'list';
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
const [text, boolean, list] = [ofKind('text'), ofKind('boolean'), ofKind('list')];

/** In the order of --help. */
export const DAEMON_FLAGS: readonly DaemonFlag[] = [
  text('bip', 'Address of the default bridge (172.17.0.1/16)'),
  text('bip6', 'IPv6 address of the default bridge'),
  list('block-registry', 'Registry that is never asked, *.DOMAIN for all below (many allowed)', {
    key: 'block-registries',
  }),
  text('bridge', 'Default bridge, or none (coracle0)', { short: 'b' }),
  text('certs-dir', 'HOST[:PORT]/*.crt of registries (/etc/coracle/certs.d, /etc/docker/certs.d)'),
  text('cgroup-parent', 'Parent cgroup of all containers (/coracle, or coracle.slice)'),
  text('config-file', 'Configuration file (/etc/coracle/daemon.json)', { key: '' }),
  text('cpu-rt-period', 'Period of real-time for all containers, in microseconds (1000000)'),
  text('cpu-rt-runtime', 'Real-time of all containers together in a period, in microseconds (0)'),
  text('data-root', 'Directory of persistent state (/var/lib/coracle)', { short: 'g' }),
  boolean('debug', 'Log everything (log level debug)', { short: 'D' }),
  list('default-address-pool', 'base=PREFIX,size=BITS of networks (many allowed)', {
    key: 'default-address-pools',
  }),
  text('default-gateway', 'Gateway of the default bridge'),
  text('default-gateway-v6', 'IPv6 gateway of the default bridge'),
  text('default-runtime', 'Runtime of containers that name none (coracle)'),
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
  boolean('icc', 'Let containers on the default bridge talk to each other (true)'),
  boolean('init', 'Run an init in every container'),
  list('insecure-registry', 'HOST[:PORT] or CIDR that may be asked without TLS (many allowed)', {
    key: 'insecure-registries',
  }),
  text('ip', 'Where ports are published by default (0.0.0.0)'),
  boolean('ip-forward', 'Switch on forwarding when a network needs it (true)'),
  boolean('ip-masq', 'MASQUERADE the default bridge (true)'),
  boolean('ipv6', 'IPv6 on the default bridge'),
  text('log-level', 'debug, info, warn, error or fatal (info)', { short: 'l' }),
  text('max-concurrent-downloads', 'Layers downloaded at once (3)'),
  text('max-concurrent-uploads', 'Layers uploaded at once (5)'),
  text('max-download-attempts', 'Attempts of one request or transfer (5)'),
  text('metrics-addr', 'HOST:PORT that serves /metrics to Prometheus (none)'),
  text('mtu', 'MTU of the default bridge (1500)'),
  text('pidfile', 'File for the process id (EXEC-ROOT/coracle.pid)'),
  list('registry-mirror', 'Mirror of Docker Hub, or HOST=URL of any registry (many allowed)', {
    key: 'registry-mirrors',
  }),
  text(
    'storage-driver',
    'overlay2 or copy (overlay2, where the kernel can mount it on the data root)',
  ),
  boolean('tls', 'Serve TCP with TLS; false: without is meant'),
  text('tlscacert', 'Certificates that clients are trusted by (~/.docker/ca.pem)'),
  text('tlscert', 'Certificate (~/.docker/cert.pem)'),
  text('tlskey', 'Key of the certificate (~/.docker/key.pem)'),
  boolean('tlsverify', 'Serve TCP with TLS, and only clients that have a certificate'),
  boolean('validate', 'Check the configuration and end', { key: '' }),
];
