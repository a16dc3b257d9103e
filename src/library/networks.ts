// The networks of an engine.
import type { EngineClient } from '#client/client.ts';
import type { EndpointConfig } from '#wire/container-config.ts';
import type {
  NetworkCreateBody,
  NetworkCreateReply,
  NetworkInspect,
  NetworkPruneReply,
} from '#wire/network.ts';
import { type CallOptions, type FilterOptions, filterText, signalOf } from './call.ts';
import type { Container } from './container.ts';
import { isGone } from './error.ts';

export type NetworkOptions = CallOptions & {
  readonly driver?: string;
  readonly internal?: boolean;
  readonly ipv6?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** In CIDR form. */
  readonly subnet?: string;
  readonly gateway?: string;
  /** Anything else of the Engine API. */
  readonly body?: Partial<NetworkCreateBody>;
};

export class Networks {
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient) {
    this.#client = client;
  }

  async create(name: string, options: NetworkOptions = {}): Promise<Network> {
    const { body, driver, gateway, internal, ipv6, labels, subnet } = options;
    const pool = {
      ...(subnet !== undefined && { Subnet: subnet }),
      ...(gateway !== undefined && { Gateway: gateway }),
    };
    const json: NetworkCreateBody = {
      Name: name,
      ...(driver !== undefined && { Driver: driver }),
      ...(internal !== undefined && { Internal: internal }),
      ...(ipv6 !== undefined && { EnableIPv6: ipv6 }),
      ...(labels !== undefined && { Labels: labels }),
      ...(Object.keys(pool).length > 0 && {
        IPAM: { Driver: 'default', Options: null, Config: [pool] },
      }),
      ...body,
    };
    const wish = { json, ...signalOf(options) };
    const { Id: id } = await this.#client.json<NetworkCreateReply>(
      'POST',
      '/networks/create',
      wish,
    );
    return new Network(this.#client, id);
  }

  /** A handle by name or id. Nothing is asked. */
  get(nameOrId: string): Network {
    return new Network(this.#client, nameOrId);
  }

  list(options: FilterOptions = {}): Promise<readonly NetworkInspect[]> {
    const query = { filters: filterText(options.filters) };
    return this.#client.json('GET', '/networks', { query, ...signalOf(options) });
  }

  /** Removes those that no container is in. */
  prune(options: FilterOptions = {}): Promise<NetworkPruneReply> {
    const query = { filters: filterText(options.filters) };
    return this.#client.json('POST', '/networks/prune', { query, ...signalOf(options) });
  }
}

export class Network implements AsyncDisposable {
  readonly id: string;
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient, id: string) {
    this.#client = client;
    this.id = id;
  }

  inspect(options: CallOptions = {}): Promise<NetworkInspect> {
    return this.#client.json('GET', this.#path(''), signalOf(options));
  }

  async connect(
    container: Container | string,
    endpoint: EndpointConfig = {},
    options: CallOptions = {},
  ): Promise<void> {
    const json = { Container: idOf(container), EndpointConfig: endpoint };
    await this.#client.done('POST', this.#path('/connect'), { json, ...signalOf(options) });
  }

  async disconnect(
    container: Container | string,
    options: CallOptions & { readonly force?: boolean } = {},
  ): Promise<void> {
    const json = { Container: idOf(container), Force: options.force === true };
    await this.#client.done('POST', this.#path('/disconnect'), { json, ...signalOf(options) });
  }

  async remove(options: CallOptions = {}): Promise<void> {
    await this.#client.done('DELETE', this.#path(''), signalOf(options));
  }

  /** Removes it; nothing if it is gone already. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.remove();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #path(rest: string): string {
    return `/networks/${encodeURIComponent(this.id)}${rest}`;
  }
}

function idOf(container: Container | string): string {
  return typeof container === 'string' ? container : container.id;
}
