// `coracle daemon` flags. Pure.
import { EngineError } from '#base/error.ts';

export type Flags = {
  readonly help: boolean;
  readonly configFile: string | undefined;
  /** Only check the configuration. */
  readonly validate: boolean;
  /** By the name that the configuration file has for it; only what was given. */
  readonly given: ReadonlyMap<string, string | boolean | readonly string[]>;
};

type FlagKind = 'text' | 'boolean' | 'list';
type FlagDefinition = {
  readonly kind: FlagKind;
  /** The key of daemon.json; "" = not settable there. */
  readonly key: string;
  readonly help: string;
};

export const FLAGS: Readonly<Record<string, FlagDefinition>> = {
  '--bip': { kind: 'text', key: 'bip', help: 'Address of the default bridge (172.17.0.1/16)' },
  '--bip6': { kind: 'text', key: 'bip6', help: 'IPv6 address of the default bridge' },
  '--block-registry': {
    kind: 'list',
    key: 'block-registries',
    help: 'Registry that is never asked, *.DOMAIN for all below (many allowed)',
  },
  '--bridge': { kind: 'text', key: 'bridge', help: 'Default bridge, or none (coracle0)' },
  '--certs-dir': {
    kind: 'text',
    key: 'certs-dir',
    help: 'HOST[:PORT]/*.crt of registries (/etc/coracle/certs.d, /etc/docker/certs.d)',
  },
  '--cgroup-parent': {
    kind: 'text',
    key: 'cgroup-parent',
    help: 'Parent cgroup of all containers (/coracle, or coracle.slice)',
  },
  '--config-file': {
    kind: 'text',
    key: '',
    help: 'Configuration file (/etc/coracle/daemon.json)',
  },
  '--cpu-rt-period': {
    kind: 'text',
    key: 'cpu-rt-period',
    help: 'Period of real-time for all containers, in microseconds (1000000)',
  },
  '--cpu-rt-runtime': {
    kind: 'text',
    key: 'cpu-rt-runtime',
    help: 'Real-time of all containers together in a period, in microseconds (0)',
  },
  '--data-root': {
    kind: 'text',
    key: 'data-root',
    help: 'Directory of persistent state (/var/lib/coracle)',
  },
  '--default-address-pool': {
    kind: 'list',
    key: 'default-address-pools',
    help: 'base=PREFIX,size=BITS of networks (many allowed)',
  },
  '--default-gateway': {
    kind: 'text',
    key: 'default-gateway',
    help: 'Gateway of the default bridge',
  },
  '--default-gateway-v6': {
    kind: 'text',
    key: 'default-gateway-v6',
    help: 'IPv6 gateway of the default bridge',
  },
  '--default-runtime': {
    kind: 'text',
    key: 'default-runtime',
    help: 'Runtime of containers that name none (coracle)',
  },
  '--dns': { kind: 'list', key: 'dns', help: 'DNS server of containers (many allowed)' },
  '--dns-opt': { kind: 'list', key: 'dns-opts', help: 'Option of resolv.conf (many allowed)' },
  '--dns-search': { kind: 'list', key: 'dns-search', help: 'Search domain (many allowed)' },
  '--download-rate': {
    kind: 'text',
    key: 'download-rate',
    help: 'Bytes a second of all pulls together, as 10mb (no limit)',
  },
  '--exec-opt': {
    kind: 'list',
    key: 'exec-opts',
    help: 'native.cgroupdriver=cgroupfs|systemd: how cgroups are called (cgroupfs)',
  },
  '--exec-root': {
    kind: 'text',
    key: 'exec-root',
    help: 'Directory of runtime state (/run/coracle)',
  },
  '--firewall-backend': {
    kind: 'text',
    key: 'firewall-backend',
    help: 'nftables or iptables (nftables)',
  },
  '--firewall-table': {
    kind: 'text',
    key: 'firewall-table',
    help: 'Name of our table in the firewall (coracle, with a suffix for other data roots)',
  },
  '--fixed-cidr': {
    kind: 'text',
    key: 'fixed-cidr',
    help: 'Range of addresses on the default bridge',
  },
  '--fixed-cidr-v6': {
    kind: 'text',
    key: 'fixed-cidr-v6',
    help: 'Range of IPv6 addresses on the default bridge',
  },
  '--group': { kind: 'text', key: 'group', help: 'Group that may use the socket (docker)' },
  '--help': { kind: 'boolean', key: '', help: 'Print this help' },
  '--host': {
    kind: 'list',
    key: 'hosts',
    help: 'Socket to serve: unix://PATH, tcp://HOST:PORT or fd:// (many allowed)',
  },
  '--host-gateway-ip': {
    kind: 'text',
    key: 'host-gateway-ip',
    help: 'What --add-host NAME:host-gateway means (the address of the bridge)',
  },
  '--icc': {
    kind: 'boolean',
    key: 'icc',
    help: 'Let containers on the default bridge talk to each other (true)',
  },
  '--init': { kind: 'boolean', key: 'init', help: 'Run an init in every container' },
  '--insecure-registry': {
    kind: 'list',
    key: 'insecure-registries',
    help: 'HOST[:PORT] or CIDR that may be asked without TLS (many allowed)',
  },
  '--ip': { kind: 'text', key: 'ip', help: 'Where ports are published by default (0.0.0.0)' },
  '--ip-forward': {
    kind: 'boolean',
    key: 'ip-forward',
    help: 'Switch on forwarding when a network needs it (true)',
  },
  '--ip-masq': { kind: 'boolean', key: 'ip-masq', help: 'MASQUERADE the default bridge (true)' },
  '--ipv6': { kind: 'boolean', key: 'ipv6', help: 'IPv6 on the default bridge' },
  '--log-level': {
    kind: 'text',
    key: 'log-level',
    help: 'debug, info, warn, error or fatal (info)',
  },
  '--max-concurrent-downloads': {
    kind: 'text',
    key: 'max-concurrent-downloads',
    help: 'Layers downloaded at once (3)',
  },
  '--max-concurrent-uploads': {
    kind: 'text',
    key: 'max-concurrent-uploads',
    help: 'Layers uploaded at once (5)',
  },
  '--max-download-attempts': {
    kind: 'text',
    key: 'max-download-attempts',
    help: 'Attempts of one request or transfer (5)',
  },
  '--metrics-addr': {
    kind: 'text',
    key: 'metrics-addr',
    help: 'HOST:PORT that serves /metrics to Prometheus (none)',
  },
  '--mtu': { kind: 'text', key: 'mtu', help: 'MTU of the default bridge (1500)' },
  '--pidfile': {
    kind: 'text',
    key: 'pidfile',
    help: 'File for the process id (EXEC-ROOT/coracle.pid)',
  },
  '--registry-mirror': {
    kind: 'list',
    key: 'registry-mirrors',
    help: 'Mirror of Docker Hub, or HOST=URL of any registry (many allowed)',
  },
  '--storage-driver': {
    kind: 'text',
    key: 'storage-driver',
    help: 'overlay2 or copy (overlay2, where the kernel can mount it on the data root)',
  },
  '--tls': { kind: 'boolean', key: 'tls', help: 'Serve TCP with TLS; false: without is meant' },
  '--tlscacert': {
    kind: 'text',
    key: 'tlscacert',
    help: 'Certificates that clients are trusted by (~/.docker/ca.pem)',
  },
  '--tlscert': { kind: 'text', key: 'tlscert', help: 'Certificate (~/.docker/cert.pem)' },
  '--tlskey': { kind: 'text', key: 'tlskey', help: 'Key of the certificate (~/.docker/key.pem)' },
  '--tlsverify': {
    kind: 'boolean',
    key: 'tlsverify',
    help: 'Serve TCP with TLS, and only clients that have a certificate',
  },
  '--validate': { kind: 'boolean', key: '', help: 'Check the configuration and end' },
};

const SHORT: Readonly<Record<string, string>> = {
  '-H': '--host',
  '-h': '--help',
  '-g': '--data-root',
  '-l': '--log-level',
  '-b': '--bridge',
  '-G': '--group',
  '-D': '--debug',
};

export function parseFlags(argv: readonly string[]): Flags {
  const given = new Map<string, string | boolean | readonly string[]>();
  let help = false;
  let validate = false;
  let configFile: string | undefined;
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '-D' || word === '--debug') {
      given.set('log-level', 'debug');
      continue;
    }
    const { name, definition, inline } = lookUp(word);
    const value = definition.kind === 'boolean' ? boolean(name, inline) : (inline ?? rest.shift());
    if (value === undefined) throw usage(`flag needs an argument: ${name}`);
    if (name === '--help') help = value === true;
    else if (name === '--validate') validate = value === true;
    else if (name === '--config-file') configFile = String(value);
    else if (definition.kind === 'list') {
      const before = given.get(definition.key);
      given.set(definition.key, [...(Array.isArray(before) ? before : []), String(value)]);
    } else given.set(definition.key, value);
  }
  return { help, validate, configFile, given };
}

function lookUp(word: string): {
  readonly name: string;
  readonly definition: FlagDefinition;
  readonly inline: string | undefined;
} {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  const written = at === -1 ? word : word.slice(0, at);
  const name = (Object.hasOwn(SHORT, written) ? SHORT[written] : written) ?? written;
  const definition = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined;
  if (definition === undefined) {
    throw usage(
      word.startsWith('-')
        ? `unknown flag: ${written}`
        : `"coracle daemon" accepts no arguments, but got "${word}"`,
    );
  }
  return { name, definition, inline: at === -1 ? undefined : word.slice(at + 1) };
}

function boolean(name: string, inline: string | undefined): boolean {
  if (inline === undefined || inline === 'true' || inline === '1') return true;
  if (inline === 'false' || inline === '0') return false;
  throw usage(`invalid argument "${inline}" for "${name}" flag`);
}

function usage(text: string): EngineError {
  return new EngineError('invalid_argument', `${text}\nSee 'coracle daemon --help'.`);
}

export function helpText(): string {
  const lines = Object.entries(FLAGS).map(([name, { help, kind }]) => {
    const short = Object.entries(SHORT).find(([, long]) => long === name)?.[0];
    const left = `${short === undefined ? '    ' : `${short}, `}${name}`;
    return `  ${`${left}${kind === 'boolean' ? '' : ' VALUE'}`.padEnd(30)} ${help}`;
  });
  return [
    'Usage:  coracle daemon [OPTIONS]',
    '',
    'The engine. Runs in the foreground until SIGTERM; containers live on without it.',
    'SIGHUP reads the configuration file again: log level, labels, runtimes and registries change.',
    '',
    'Options:',
    ...lines,
    '',
  ].join('\n');
}
