// The containers of an engine.
import type { EngineClient } from '#client/client.ts';
import type {
  ContainerCreateReply,
  ContainerPruneReply,
  ContainerSummary,
} from '#wire/container.ts';
import { type FilterOptions, filterText, signalOf } from './call.ts';
import { Container } from './container.ts';
import { type CreateOptions, createBody } from './spec.ts';

export type ListOptions = FilterOptions & {
  /** Those that do not run, too. */
  readonly all?: boolean;
  readonly limit?: number;
  readonly size?: boolean;
};

export class Containers {
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient) {
    this.#client = client;
  }

  /** Of an image that is here; nothing runs yet. */
  async create(image: string, options: CreateOptions = {}): Promise<Container> {
    const { name, platform } = options;
    const { Id: id } = await this.#client.json<ContainerCreateReply>('POST', '/containers/create', {
      query: { name, platform },
      json: createBody(image, options),
      ...signalOf(options),
    });
    return new Container(this.#client, id);
  }

  /** A handle by name or id. Nothing is asked: use `inspect` to know whether it exists. */
  get(nameOrId: string): Container {
    return new Container(this.#client, nameOrId);
  }

  list(options: ListOptions = {}): Promise<readonly ContainerSummary[]> {
    const { all, filters, limit, size } = options;
    const query = { all, limit, size, filters: filterText(filters) };
    return this.#client.json('GET', '/containers/json', { query, ...signalOf(options) });
  }

  /** Removes those that do not run. */
  prune(options: FilterOptions = {}): Promise<ContainerPruneReply> {
    const query = { filters: filterText(options.filters) };
    return this.#client.json('POST', '/containers/prune', { query, ...signalOf(options) });
  }
}
