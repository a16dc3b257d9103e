// An engine that is reached over a socket: this one, a Docker, or whatever else speaks the API.
import { EngineClient, readJsonLines } from '#client/client.ts';
import { endpointText, parseEndpoint, type Tls } from '#client/endpoint.ts';
import { environmentHost, environmentTls } from '#client/environment.ts';
import { ClientError } from '#client/error.ts';
import type { EventMessage } from '#wire/event.ts';
import type { DiskUsage, Info, Version } from '#wire/system.ts';
import {
  type CallOptions,
  type FilterOptions,
  filterText,
  type Moment,
  momentText,
} from './call.ts';
import { signalOf } from './call.ts';
import type { Container } from './container.ts';
import { Containers } from './containers.ts';
import { engineError } from './error.ts';
import { Images, type TransferOptions } from './images.ts';
import { Networks } from './networks.ts';
import type { ProcessResult } from './session.ts';
import type { CreateOptions } from './spec.ts';
import { Volumes } from './volumes.ts';

export type EngineOptions = {
  /**
   * `unix:///PATH` or `tcp://HOST:PORT`. Without it: CORACLE_HOST, DOCKER_HOST, or Coracle's own
   * socket.
   */
  readonly host?: string;
  /**
   * For tcp. Without a host it is what DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say.
   */
  readonly tls?: Omit<Tls, 'verify'> & { readonly verify?: boolean };
};

export type RunOptions = CreateOptions & {
  /** What to do when the image is not here: `missing` pulls it (the default). */
  readonly pull?: 'missing' | 'never';
  readonly auth?: TransferOptions['auth'];
  readonly onProgress?: TransferOptions['onProgress'];
};

export type EventOptions = FilterOptions & {
  /** Those that were, too. */
  readonly since?: Moment;
  /** Ends there; a moment that has passed ends at once. */
  readonly until?: Moment;
};

export class Engine {
  readonly containers: Containers;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly #client: EngineClient;

  constructor(options: EngineOptions = {}) {
    const host = options.host ?? environmentHost(process.env);
    const tls: Tls | undefined =
      options.tls !== undefined
        ? { ...options.tls, verify: options.tls.verify !== false }
        : options.host === undefined
          ? environmentTls(process.env)
          : undefined;
    const endpoint = parseEndpoint(host, tls);
    if (endpoint === undefined) {
      const text = `invalid host ${JSON.stringify(host)}: use unix:///PATH or tcp://HOST:PORT`;
      throw new ClientError('invalid_argument', text);
    }
    this.#client = new EngineClient(endpoint);
    this.containers = new Containers(this.#client);
    this.images = new Images(this.#client);
    this.networks = new Networks(this.#client);
    this.volumes = new Volumes(this.#client);
  }

  get host(): string {
    return endpointText(this.#client.endpoint);
  }

  /** The version that is spoken; known to be the server's, too, after the first request. */
  get apiVersion(): string {
    return this.#client.version;
  }

  /** Rejects if nobody answers. */
  async ping(options: CallOptions = {}): Promise<void> {
    await this.#client.done('GET', '/_ping', signalOf(options));
  }

  version(options: CallOptions = {}): Promise<Version> {
    return this.#client.json('GET', '/version', signalOf(options));
  }

  info(options: CallOptions = {}): Promise<Info> {
    return this.#client.json('GET', '/info', signalOf(options));
  }

  diskUsage(options: CallOptions = {}): Promise<DiskUsage> {
    return this.#client.json('GET', '/system/df', signalOf(options));
  }

  /** What happens, as it happens. */
  async *events(options: EventOptions = {}): AsyncGenerator<EventMessage, void, undefined> {
    const { filters, signal } = options;
    const query = {
      filters: filterText(filters),
      since: momentText(options.since),
      until: momentText(options.until),
    };
    const reply = await this.#client.call('GET', '/events', { query, ...signalOf(options) });
    try {
      yield* readJsonLines<EventMessage>(reply.body);
    } catch (error) {
      throw engineError(error, signal);
    }
  }

  /** Makes a container and starts it. If the start fails nothing is left. */
  async run(image: string, options: RunOptions = {}): Promise<Container> {
    const container = await this.#create(image, options);
    await this.#orRemove(container, () => container.start(options));
    return container;
  }

  /** Makes a container, runs it to its end, removes it, and resolves with what it wrote. */
  async runToEnd(
    image: string,
    options: RunOptions & { readonly input?: string | Uint8Array } = {},
  ): Promise<ProcessResult> {
    const { input, signal } = options;
    const stdin = input !== undefined || options.stdin === true;
    await using container = await this.#create(image, { ...options, stdin, autoRemove: false });
    // Joined before the start, so that nothing that it writes is missed.
    await using session = await container.attach({ stdin, signal });
    await container.start(options);
    if (stdin) session.stdin.end(input);
    const { stdout, stderr } = await session.text();
    return { exitCode: await container.wait({ signal }), stdout, stderr };
  }

  async #create(image: string, options: RunOptions): Promise<Container> {
    try {
      return await this.containers.create(image, options);
    } catch (error) {
      const missing = error instanceof ClientError && error.status === 404;
      const isImage = missing && /no such image/i.test(error.message);
      if (!isImage || options.pull === 'never') throw error;
    }
    const { auth, onProgress, platform, signal } = options;
    await this.images.pull(image, {
      signal,
      ...(auth && { auth }),
      ...(onProgress && { onProgress }),
      ...(platform !== undefined && { platform }),
    });
    return this.containers.create(image, options);
  }

  async #orRemove(container: Container, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // The first error is the one to tell.
      await container[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
  }
}
