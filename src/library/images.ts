// The images of an engine: from and to registries and archives.
import { Readable } from 'node:stream';
import { familiarName, parseReference, withDefaultTag } from '#base/reference.ts';
import { type EngineClient, readJsonLines } from '#client/client.ts';
import { ClientError } from '#client/error.ts';
import { transferPlatform } from '#client/platform.ts';
import { authHeader, authsHeader, registryKey } from '#client/registry-auth.ts';
import { AgentForward } from '#client/ssh-agent.ts';
import type { AgentCallEvent, OwnBuildEvent } from '#wire/build.ts';
import { encodeParts } from '#wire/parts.ts';
import type {
  AuthConfig,
  ImageDeleteItem,
  ImageHistoryEntry,
  ImageInspect,
  ImagePruneReply,
  ImageSummary,
  ProgressMessage,
} from '#wire/image.ts';
import { type CallOptions, type FilterOptions, filterText, signalOf } from './call.ts';
import { engineError } from './error.ts';

export type TransferOptions = CallOptions & {
  /** "os/arch[/variant]" */
  readonly platform?: string;
  readonly auth?: AuthConfig;
  /** Called with each message of the engine on its way. */
  readonly onProgress?: (message: ProgressMessage) => void;
};

/** Without a registry behind it. */
export type LoadOptions = Omit<TransferOptions, 'auth'>;

export type BuildOptions = LoadOptions & {
  /** Names that the image gets. */
  readonly tags?: readonly string[];
  /** Where it is in the context: `Dockerfile` unless told. */
  readonly dockerfile?: string;
  readonly target?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly noCache?: boolean;
  /** Asks the registry for newer images, too. */
  readonly pull?: boolean;
  /** Of the steps: a network's name, `host` or `none`. */
  readonly network?: string;
  /**
   * Sockets of ssh agents on this machine, by the ids that `RUN --mount=type=ssh` asks for. Steps
   * can list keys and have them sign, no more. For this engine, not for Docker's.
   */
  readonly ssh?: Readonly<Record<string, string>>;
  /**
   * Contexts beside the main one, by the names that `FROM`, `COPY --from` and `RUN --mount=from=`
   * use, before stages and images: a tar, `docker-image://NAME`, or the URL of a git repository or
   * a file. For this engine, not for Docker's.
   */
  readonly contexts?: Readonly<Record<string, Readable | Uint8Array | string>>;
  /**
   * For base images: by the host of a registry as it stands in an image's name, `docker.io` too.
   */
  readonly auths?: Readonly<Record<string, AuthConfig>>;
};

export class Images {
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient) {
    this.#client = client;
  }

  /** A handle by name or id. Nothing is asked. */
  get(nameOrId: string): Image {
    return new Image(this.#client, nameOrId);
  }

  list(options: FilterOptions & { readonly all?: boolean } = {}): Promise<readonly ImageSummary[]> {
    const query = { all: options.all, filters: filterText(options.filters) };
    return this.#client.json('GET', '/images/json', { query, ...signalOf(options) });
  }

  /** Downloads it from its registry, `latest` unless told. */
  async pull(name: string, options: TransferOptions = {}): Promise<Image> {
    const { fromImage, tag } = split(name);
    const reply = await this.#client.call('POST', '/images/create', {
      query: { fromImage, tag, platform: options.platform },
      headers: authHeader(options.auth ?? {}),
      ...signalOf(options),
    });
    await readProgress(reply.body, options);
    return new Image(this.#client, name);
  }

  /** Of a context, which is a tar with a Dockerfile in it; `onProgress` has what the steps say. */
  async build(context: Readable | Uint8Array, options: BuildOptions = {}): Promise<Image> {
    const {
      args,
      auths,
      contexts = {},
      labels,
      network,
      noCache,
      platform,
      pull,
      tags,
      target,
    } = options;
    const sockets = new Map(Object.entries(options.ssh ?? {}));
    // Who cannot be asked is told to the step: its connection ends.
    using forward = new AgentForward(this.#client, sockets, () => {});
    const reply = await this.#client.call('POST', '/build', {
      query: {
        t: tags,
        dockerfile: options.dockerfile,
        target,
        buildargs: args && JSON.stringify(args),
        labels: labels && JSON.stringify(labels),
        networkmode: network,
        nocache: noCache,
        pull,
        platform,
        rm: true,
      },
      headers: {
        ...(auths === undefined ? {} : byRegistry(auths)),
        ...ownHeader(sockets, contexts),
      },
      stream: bodyOf(context, contexts),
      ...signalOf(options),
    });
    let id = '';
    await readProgress(reply.body, {
      ...options,
      onProgress: (message) => {
        const call = agentCall(message);
        if (call !== undefined) return forward.answer(call);
        id = builtId(message.aux) ?? id;
        options.onProgress?.(message);
      },
    });
    if (id === '') throw new ClientError('corrupt', 'the build ended without an image');
    return new Image(this.#client, tags?.[0] ?? id);
  }

  /** The images of a docker archive or an OCI layout; resolves with their names or ids. */
  async load(tar: Readable | Uint8Array, options: LoadOptions = {}): Promise<string[]> {
    const query = { quiet: true, platform: transferPlatform(options.platform) };
    const wish = { query, stream: tar, ...signalOf(options) };
    const reply = await this.#client.call('POST', '/images/load', wish);
    const names: string[] = [];
    await readProgress(reply.body, {
      ...options,
      onProgress: (message) => {
        const name = /^Loaded image(?: ID)?: (.+?)\s*$/m.exec(message.stream ?? '')?.[1];
        if (name !== undefined) names.push(name);
        options.onProgress?.(message);
      },
    });
    return names;
  }

  /** An archive of them all. */
  async save(names: readonly string[], options: CallOptions = {}): Promise<Readable> {
    const wish = { query: { names }, ...signalOf(options) };
    return (await this.#client.call('GET', '/images/get', wish)).body;
  }

  /** Removes those that nobody uses; without filters only those that have no name. */
  prune(options: FilterOptions = {}): Promise<ImagePruneReply> {
    const query = { filters: filterText(options.filters) };
    return this.#client.json('POST', '/images/prune', { query, ...signalOf(options) });
  }
}

export class Image {
  readonly name: string;
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  inspect(options: CallOptions = {}): Promise<ImageInspect> {
    return this.#client.json('GET', this.#path('/json'), signalOf(options));
  }

  history(options: CallOptions = {}): Promise<readonly ImageHistoryEntry[]> {
    return this.#client.json('GET', this.#path('/history'), signalOf(options));
  }

  /** Gives it one more name. */
  async tag(name: string, options: CallOptions = {}): Promise<Image> {
    const { fromImage: repo, tag } = split(name);
    await this.#client.done('POST', this.#path('/tag'), {
      query: { repo, tag },
      ...signalOf(options),
    });
    return new Image(this.#client, name);
  }

  async push(options: TransferOptions = {}): Promise<void> {
    const { fromImage, tag } = split(this.name);
    const path = `/images/${encodePath(fromImage)}/push`;
    const reply = await this.#client.call('POST', path, {
      query: { tag, platform: transferPlatform(options.platform) },
      headers: authHeader(options.auth ?? {}),
      ...signalOf(options),
    });
    await readProgress(reply.body, options);
  }

  remove(
    options: CallOptions & { readonly force?: boolean; readonly noPrune?: boolean } = {},
  ): Promise<readonly ImageDeleteItem[]> {
    const query = { force: options.force, noprune: options.noPrune };
    return this.#client.json('DELETE', this.#path(''), { query, ...signalOf(options) });
  }

  #path(rest: string): string {
    return `/images/${encodePath(this.name)}${rest}`;
  }
}

type Contexts = NonNullable<BuildOptions['contexts']>;

function ownHeader(
  sockets: ReadonlyMap<string, string>,
  contexts: Contexts,
): Readonly<Record<string, string>> {
  const named = Object.entries(contexts).map(([Name, source]) => {
    if (source === '') throw new ClientError('invalid_argument', `build context ${Name} is empty`);
    return { Name, Source: typeof source === 'string' ? source : '' };
  });
  if (sockets.size + named.length === 0) return {};
  const own = JSON.stringify({ Ssh: [...sockets.keys()], Contexts: named });
  return { 'X-Coracle-Build': Buffer.from(own).toString('base64') };
}

/** In parts, where more is sent than the main one. */
function bodyOf(main: Readable | Uint8Array, contexts: Contexts): Readable | Uint8Array {
  const sent = Object.values(contexts).filter((source) => typeof source !== 'string');
  if (sent.length === 0) return main;
  const archives = [main, ...sent].map((each) =>
    each instanceof Uint8Array ? Readable.from([each]) : each,
  );
  return Readable.from(encodeParts(archives));
}

function agentCall(
  message: ProgressMessage & { readonly coracle?: OwnBuildEvent },
): AgentCallEvent | undefined {
  return message.coracle?.kind === 'agent' ? message.coracle : undefined;
}

function builtId(aux: unknown): string | undefined {
  const id = typeof aux === 'object' && aux !== null && 'ID' in aux ? aux.ID : undefined;
  return typeof id === 'string' ? id : undefined;
}

/** The slashes of a name stay. */
function encodePath(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}

function split(name: string): { readonly fromImage: string; readonly tag: string | undefined } {
  try {
    const reference = withDefaultTag(parseReference(name));
    return { fromImage: familiarName(reference), tag: reference.digest ?? reference.tag };
  } catch (error) {
    throw engineError(error);
  }
}

function byRegistry(auths: Readonly<Record<string, AuthConfig>>): Readonly<Record<string, string>> {
  const entries = Object.entries(auths);
  return authsHeader(Object.fromEntries(entries.map(([host, auth]) => [registryKey(host), auth])));
}

/** An error comes in the stream: the status went out before it. */
async function readProgress(body: Readable, options: TransferOptions): Promise<void> {
  const { onProgress, signal } = options;
  try {
    for await (const message of readJsonLines<ProgressMessage>(body)) {
      const text = message.errorDetail?.message ?? message.error;
      if (text !== undefined) throw new ClientError('internal', text);
      onProgress?.(message);
    }
  } catch (error) {
    throw engineError(error, signal);
  }
}
