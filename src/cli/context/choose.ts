// Which engine a command line means, in this order: -H, --context, our variables, docker's, the
// context that `context use` has chosen, our own socket.
import {
  defaultTlsFiles,
  environmentTls,
  readTls,
  SOCKET_DEFAULT,
  type TlsFiles,
} from '#client/environment.ts';
import { type Endpoint, parseEndpoint, type Tls } from '#client/endpoint.ts';
import { CliError } from '../command.ts';
import type { Flags } from '../flags.ts';
import { type ContextStore, DEFAULT_CONTEXT } from './store.ts';

export type Choice = {
  readonly context: string;
  readonly endpoint: Endpoint;
  /** Our own socket, by name or by default: an engine is started there where none runs. */
  readonly isOwn: boolean;
};

export type Environment = Readonly<Record<string, string | undefined>>;

const HOSTS = ['CORACLE_HOST', 'DOCKER_HOST'] as const;
const CONTEXTS = ['CORACLE_CONTEXT', 'DOCKER_CONTEXT'] as const;

/** The first variable that is set, as [name, value]. */
function firstOf(
  env: Environment,
  names: readonly string[],
): readonly [string, string] | undefined {
  const name = names.find((each) => (env[each] ?? '') !== '');
  return name === undefined ? undefined : [name, env[name] ?? ''];
}

/** The variable that names a host, and so stands above `context use`. */
export function hostVariable(env: Environment): string | undefined {
  const named = chooseByEnvironment(env);
  return named?.kind === 'host' ? named.variable : undefined;
}

type Named = {
  readonly kind: 'host' | 'context';
  readonly variable: string;
  readonly value: string;
};

/** Ours before docker's, and of each the host before the context, as docker has it. */
function chooseByEnvironment(env: Environment): Named | undefined {
  for (const [index, host] of HOSTS.entries()) {
    for (const [kind, name] of [
      ['host', host],
      ['context', CONTEXTS[index] ?? ''],
    ] as const) {
      const found = firstOf(env, [name]);
      if (found !== undefined) return { kind, variable: found[0], value: found[1] };
    }
  }
  return undefined;
}

/** The name alone: `context show`. */
export function contextName(globals: Flags, store: ContextStore, env: Environment): string {
  if (globals.list('host').length > 0) return DEFAULT_CONTEXT;
  const flag = globals.string('context');
  if (flag !== '') return flag;
  const named = chooseByEnvironment(env);
  if (named !== undefined) return named.kind === 'context' ? named.value : DEFAULT_CONTEXT;
  return store.current();
}

export function chooseEngine(globals: Flags, store: ContextStore, env: Environment): Choice {
  const hosts = globals.list('host');
  if (hosts.length > 0 && globals.has('context')) {
    throw new CliError(1, 'conflicting options: cannot specify both --host and --context');
  }
  if (hosts.length > 1) throw new CliError(1, 'Specify only one -H');
  const context = contextName(globals, store, env);
  if (context !== DEFAULT_CONTEXT) {
    return choice(context, contextEndpoint(context, store));
  }
  const usesContext = globals.string('context') === DEFAULT_CONTEXT;
  const host = hosts[0] ?? (usesContext ? undefined : firstOf(env, HOSTS)?.[1]);
  const named = host ? withScheme(host) : `unix://${SOCKET_DEFAULT}`;
  return choice(context, parseHost(named, flagTls(globals, env)));
}

function choice(context: string, endpoint: Endpoint): Choice {
  const isOwn = endpoint.kind === 'unix' && endpoint.path === SOCKET_DEFAULT;
  return { context, endpoint, isOwn };
}

/** As docker's -H and DOCKER_HOST: HOST:PORT, HOST or :PORT is tcp. */
function withScheme(host: string): string {
  if (host.includes('://')) return host;
  return `tcp://${host.startsWith(':') ? 'localhost' : ''}${host}`;
}

export function parseHost(host: string, tls?: Tls): Endpoint {
  const endpoint = parseEndpoint(host, tls);
  if (endpoint !== undefined) return endpoint;
  const ssh = host.startsWith('ssh://') ? '; a tunnel (ssh -L) makes one of ssh' : '';
  const text = `invalid host ${JSON.stringify(host)}: use unix:///PATH or tcp://HOST:PORT${ssh}`;
  throw new CliError(1, text);
}

function contextEndpoint(name: string, store: ContextStore): Endpoint {
  const { docker, tlsFiles } = resolve(name, store);
  const secret = tlsFiles.length > 0 || docker.skipTlsVerify;
  const none: ReadonlySet<keyof TlsFiles> = new Set();
  const tls = secret ? readTls(store.tlsFiles(name), !docker.skipTlsVerify, none) : undefined;
  return parseHost(docker.host, tls);
}

function resolve(name: string, store: ContextStore): ReturnType<ContextStore['get']> {
  try {
    return store.get(name);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(1, `unable to resolve docker endpoint: ${error.message}`);
  }
}

/** By docker's flags; DOCKER_TLS_VERIFY is the default of --tlsverify. */
function flagTls(globals: Flags, env: Environment): Tls | undefined {
  const files = defaultTlsFiles(env);
  const named = new Set<keyof TlsFiles>();
  const file = (kind: keyof TlsFiles): string => {
    const text = globals.string(`tls${kind === 'ca' ? 'cacert' : kind}`);
    if (text === '') return files[kind];
    named.add(kind);
    return text;
  };
  const chosen = { ca: file('ca'), cert: file('cert'), key: file('key') };
  const asks = globals.bool('tls') || globals.has('tlsverify') || named.size > 0;
  if (!asks) return environmentTls(env);
  const verify = globals.bool('tlsverify', (env['DOCKER_TLS_VERIFY'] ?? '') !== '');
  return readTls(chosen, verify, named);
}
