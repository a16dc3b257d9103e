// Unpacking a layer while it still comes: over a slow line it is done a moment after its last byte.
// Only what ends whole and with its digest becomes a layer; if the download had to begin again,
// what was unpacked is dropped, and the layer is unpacked once more.
import type { Digest } from '#base/digest.ts';
import type { ImageDeps } from './deps.ts';
import { Growth } from './layer/growth.ts';
import type { UnpackJob, Unpacked } from './layer/job.ts';
import type { LooseStage } from '#snapshot/snapshotter.ts';

/** So much is there before it is begun ... */
export const FOLLOW_BYTES_MIN = 1024 * 1024;
/** ... and so much is not: of less there is nothing to win. */
export const FOLLOW_LEFT_BYTES_MIN = 2 * 1024 * 1024;

export type Filled = { readonly stage: LooseStage; readonly made: Unpacked };

export type FollowPlan = {
  readonly diffId: Digest;
  readonly signal: AbortSignal;
  readonly openStage: () => Promise<LooseStage>;
  readonly lower: () => readonly string[] | undefined;
};

export class Follower implements AsyncDisposable {
  readonly #deps: Pick<ImageDeps, 'unpacker'>;
  readonly #plan: FollowPlan;
  readonly #growth = new Growth();
  readonly #stop = new AbortController();
  #stage: LooseStage | undefined;
  #running: Promise<Filled | undefined> | undefined;

  constructor(deps: Pick<ImageDeps, 'unpacker'>, plan: FollowPlan) {
    this.#deps = deps;
    this.#plan = plan;
  }

  /** To be told as the file grows to `size` bytes. */
  grown(path: string, bytes: number, size: number): void {
    this.#growth.set(bytes, false);
    if (this.#running !== undefined || bytes < FOLLOW_BYTES_MIN) return;
    if (size - bytes < FOLLOW_LEFT_BYTES_MIN || !this.#deps.unpacker.canFollow()) return;
    // Whatever it fails by, the whole archive is tried once more, and that failure is the one told.
    this.#running = this.#run(path).catch(async () => {
      await this.#stage?.[Symbol.asyncDispose]();
      return undefined;
    });
  }

  async #run(path: string): Promise<Filled> {
    const { diffId, lower, openStage, signal } = this.#plan;
    const stage = await openStage();
    this.#stage = stage;
    const job: UnpackJob = {
      kind: 'unpack',
      blob: path,
      diffId,
      root: stage.root,
      lower: lower(),
    };
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    const made = await this.#deps.unpacker.run(job, { signal: stopped, growth: this.#growth });
    return { stage, made };
  }

  /** The file is whole, with so many bytes: what was made of it, if it was followed. */
  finish(size: number): Promise<Filled | undefined> {
    this.#growth.set(size, true);
    return this.#running ?? Promise.resolve(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#stage?.[Symbol.asyncDispose]();
  }
}
