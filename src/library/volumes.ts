// The volumes of an engine.
import type { EngineClient } from '#client/client.ts';
import type {
  Volume as VolumeInspect,
  VolumeCreateBody,
  VolumeList,
  VolumePruneReply,
} from '#wire/volume.ts';
import { type CallOptions, type FilterOptions, filterText, signalOf } from './call.ts';
import { isGone } from './error.ts';

export type VolumeOptions = CallOptions & {
  readonly driver?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
};

export class Volumes {
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient) {
    this.#client = client;
  }

  /** Without a name it gets one. */
  async create(name?: string, options: VolumeOptions = {}): Promise<Volume> {
    const { driver, driverOptions, labels } = options;
    const json: VolumeCreateBody = {
      ...(name !== undefined && { Name: name }),
      ...(driver !== undefined && { Driver: driver }),
      ...(driverOptions !== undefined && { DriverOpts: driverOptions }),
      ...(labels !== undefined && { Labels: labels }),
    };
    const wish = { json, ...signalOf(options) };
    const made = await this.#client.json<VolumeInspect>('POST', '/volumes/create', wish);
    return new Volume(this.#client, made.Name);
  }

  /** A handle by name. Nothing is asked. */
  get(name: string): Volume {
    return new Volume(this.#client, name);
  }

  async list(options: FilterOptions = {}): Promise<readonly VolumeInspect[]> {
    const wish = { query: { filters: filterText(options.filters) }, ...signalOf(options) };
    return (await this.#client.json<VolumeList>('GET', '/volumes', wish)).Volumes ?? [];
  }

  /** Removes those that no container has. */
  prune(options: FilterOptions = {}): Promise<VolumePruneReply> {
    const query = { filters: filterText(options.filters) };
    return this.#client.json('POST', '/volumes/prune', { query, ...signalOf(options) });
  }
}

export class Volume implements AsyncDisposable {
  readonly name: string;
  readonly #client: EngineClient;

  /** @internal */
  constructor(client: EngineClient, name: string) {
    this.#client = client;
    this.name = name;
  }

  inspect(options: CallOptions = {}): Promise<VolumeInspect> {
    return this.#client.json('GET', this.#path(), signalOf(options));
  }

  async remove(options: CallOptions & { readonly force?: boolean } = {}): Promise<void> {
    const query = { force: options.force };
    await this.#client.done('DELETE', this.#path(), { query, ...signalOf(options) });
  }

  /** Removes it with what is in it; nothing if it is gone already. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.remove();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #path(): string {
    return `/volumes/${encodeURIComponent(this.name)}`;
  }
}
