// What a pull tells, in dockerd's words and order; clients know them (docker's own,
// testcontainers).
import type { Digest } from '#base/digest.ts';
import { hexOf } from '#base/digest.ts';
import { shortId } from '#base/id.ts';
import type { LayerEvent } from '../add.ts';
import type { OnProgress, ProgressDetail } from '../load.ts';

/** Between two numbers of one layer. */
const TOLD_MS = 100;

/** One layer of a pull; its ID is that of the blob, as dockerd has it. */
export class LayerProgress {
  readonly #tell: OnProgress;
  readonly #id: string;
  readonly #total: number;
  #downloaded = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(tell: OnProgress, blob: { readonly digest: Digest; readonly size: number }) {
    this.#tell = tell;
    this.#id = shortId(hexOf(blob.digest));
    this.#total = blob.size;
  }

  #say(status: string, detail: ProgressDetail = {}): void {
    this.#tell({ status, id: this.#id, detail });
  }

  #count(status: string, current: number): void {
    const now = performance.now();
    if (now - this.#toldAt < TOLD_MS) return;
    this.#toldAt = now;
    this.#say(status, { current, total: this.#total });
  }

  begin(): void {
    this.#say('Pulling fs layer');
  }

  waiting(): void {
    this.#say('Waiting');
  }

  downloading(current: number): void {
    this.#count('Downloading', current);
  }

  retrying(seconds: number): void {
    this.#say(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`);
  }

  downloaded(): void {
    this.#downloaded = true;
    this.#say('Verifying Checksum');
    this.#say('Download complete');
    this.#toldAt = Number.NEGATIVE_INFINITY;
  }

  unpacking(event: LayerEvent): void {
    switch (event.kind) {
      case 'here':
        this.#say('Already exists');
        break;
      case 'unpacking':
        if (!this.#downloaded) break; // It follows the download, whose numbers are shown.
        if (event.current > 0) this.#count('Extracting', event.current);
        break;
      case 'done':
        this.#say('Pull complete');
        break;
      default:
        event satisfies never;
    }
  }
}
