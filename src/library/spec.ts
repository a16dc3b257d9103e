// What a caller says about a new container, as the body of a create request. The usual wishes have
// names of their own; everything else goes in `body` in Docker's words, and wins.
import type {
  ContainerCreateBody,
  EndpointConfig,
  HealthConfig,
  HostConfig,
  Mount,
  PortBinding,
  Wish,
} from '#wire/container-config.ts';
import type { CallOptions } from './call.ts';

export type CreateOptions = CallOptions & {
  readonly name?: string;
  /** "os/arch[/variant]" */
  readonly platform?: string;
  /** In place of the image's CMD; a text is one word, not a line for a shell. */
  readonly command?: string | readonly string[];
  readonly entrypoint?: string | readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workdir?: string;
  readonly hostname?: string;
  /** A terminal: stdout and stderr are one stream. */
  readonly tty?: boolean;
  /** Keeps standard input open, for `attach`. */
  readonly stdin?: boolean;
  /** `{ 80: 8080, '53/udp': '127.0.0.1:5353', 443: 0 }`; 0 is a port that is free. */
  readonly ports?: Readonly<Record<string, number | string>>;
  /** `/host/path:/path[:ro]` or `volume:/path[:ro]` */
  readonly binds?: readonly string[];
  readonly mounts?: readonly Mount[];
  /** Path and options: `{ '/tmp': 'size=64m' }`. */
  readonly tmpfs?: Readonly<Record<string, string>>;
  /** A network's name, `none`, `host`, or `container:NAME`. */
  readonly network?: string;
  /** Names of the container in that network. */
  readonly aliases?: readonly string[];
  /** Bytes. */
  readonly memory?: number;
  /** 0.5 is half of a CPU. */
  readonly cpus?: number;
  readonly pidsLimit?: number;
  readonly restart?: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** The engine removes it when it ends. */
  readonly autoRemove?: boolean;
  readonly readOnly?: boolean;
  readonly privileged?: boolean;
  /** A small init as process 1, which reaps. */
  readonly init?: boolean;
  readonly stopSignal?: string;
  /** Seconds. */
  readonly stopTimeout?: number;
  readonly health?: HealthConfig;
  /** Anything else of the Engine API. */
  readonly body?: ContainerCreateBody;
};

const words = (text: string | readonly string[]): readonly string[] =>
  typeof text === 'string' ? [text] : text;

type Fields = Record<string, unknown>;

/** Without the fields that nobody asked for. */
function given(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

export function createBody(image: string, options: CreateOptions): ContainerCreateBody {
  const { command, entrypoint, env, ports, body } = options;
  const published = Object.entries(ports ?? {}).map(([port, host]) => [portKey(port), host]);
  const exposed = published.map(([port]) => [port, {}]);
  return {
    Image: image,
    ...given({
      Cmd: command === undefined ? undefined : words(command),
      Entrypoint: entrypoint === undefined ? undefined : words(entrypoint),
      Env: env && Object.entries(env).map(([name, value]) => `${name}=${value}`),
      Labels: options.labels,
      User: options.user,
      WorkingDir: options.workdir,
      Hostname: options.hostname,
      Tty: options.tty,
      OpenStdin: options.stdin,
      StdinOnce: options.stdin,
      AttachStdin: options.stdin,
      ExposedPorts: exposed.length === 0 ? undefined : Object.fromEntries(exposed),
      StopSignal: options.stopSignal,
      StopTimeout: options.stopTimeout,
      Healthcheck: options.health,
      NetworkingConfig: networking(options),
    }),
    ...body,
    HostConfig: { ...hostConfig(options), ...body?.HostConfig },
  };
}

function hostConfig(options: CreateOptions): Wish<HostConfig> {
  const { cpus, ports, restart } = options;
  const bindings = Object.entries(ports ?? {}).map(([port, host]) => [
    portKey(port),
    [binding(String(host))],
  ]);
  return given({
    PortBindings: bindings.length === 0 ? undefined : Object.fromEntries(bindings),
    Binds: options.binds,
    Mounts: options.mounts,
    Tmpfs: options.tmpfs,
    NetworkMode: options.network,
    Memory: options.memory,
    NanoCpus: cpus === undefined ? undefined : Math.round(cpus * 1e9),
    PidsLimit: options.pidsLimit,
    RestartPolicy: restart && { Name: restart, MaximumRetryCount: 0 },
    AutoRemove: options.autoRemove,
    ReadonlyRootfs: options.readOnly,
    Privileged: options.privileged,
    Init: options.init,
  });
}

function portKey(port: string): string {
  return port.includes('/') ? port : `${port}/tcp`;
}

/** "8080", "127.0.0.1:8080", "[::1]:8080"; 0 for any. */
function binding(text: string): PortBinding {
  const colon = text.lastIndexOf(':');
  const host = colon < 0 ? '' : text.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = text.slice(colon + 1);
  return { HostIp: host, HostPort: port === '0' ? '' : port };
}

function networking({ aliases, network }: CreateOptions): unknown {
  if (network === undefined || aliases === undefined) return undefined;
  const endpoint: EndpointConfig = { Aliases: aliases };
  return { EndpointsConfig: { [network]: endpoint } };
}
