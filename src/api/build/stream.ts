// A build's events in the words of Docker's classic builder: "Step 1/2 : FROM x", " ---> id", what
// RUN printed, and at the end "Successfully built". Stages that are built at the same time are told
// one after the other, in the order of the Dockerfile.
import { shortId } from '#base/id.ts';
import type { BuildEvent } from '#build/request.ts';
import type { Progress } from '#image/load.ts';
import type { BuildMessage } from '#wire/build.ts';
import { renderProgress } from '../image/progress.ts';

export type Tell = (message: BuildMessage) => void | Promise<void>;

/** Output of a stage that waits for its turn; more holds that stage up until it is told. */
export const WAITING_BYTES_MAX = 16 * 1024 * 1024;

export class ClassicStream {
  readonly #tell: Tell;
  readonly #quiet: boolean;
  /** First step of each stage -> its events, while another stage is being told. */
  readonly #waiting = new Map<number, BuildEvent[]>();
  #lastStep = 0;
  #bytes = 0;
  #room = Promise.withResolvers<void>();
  #lastId = '';

  constructor(tell: Tell, options: { readonly quiet: boolean }) {
    this.#tell = tell;
    this.#quiet = options.quiet;
  }

  /** `step` numbers are in the order in which they must be told. */
  async add(event: BuildEvent): Promise<void> {
    if (!('step' in event)) return this.#say(event);
    const isNext = event.step === this.#lastStep || event.step === this.#lastStep + 1;
    if (isNext && !this.#hasWaitingBefore(event.step)) {
      if (event.kind === 'step') this.#lastStep = event.step;
      await this.#say(event);
      if (event.kind === 'image') await this.#release();
      return;
    }
    const list = this.#waiting.get(event.step) ?? [];
    list.push(event);
    this.#waiting.set(event.step, list);
    if (event.kind !== 'output') return;
    this.#bytes += event.data.length;
    // Nobody that is told now waits for it: stages come from earlier ones only.
    while (this.#bytes > WAITING_BYTES_MAX && this.#waiting.get(event.step) === list) {
      await this.#room.promise;
    }
  }

  #hasWaitingBefore(step: number): boolean {
    return this.#waiting.has(step);
  }

  /** What came too early, as far as its turn has come. */
  async #release(): Promise<void> {
    for (;;) {
      const next = this.#lastStep + 1;
      const list = this.#waiting.get(next);
      if (list === undefined) return;
      this.#waiting.delete(next);
      this.#room.resolve();
      this.#room = Promise.withResolvers<void>();
      this.#lastStep = next;
      for (const event of list) {
        if (event.kind === 'output') this.#bytes -= event.data.length;
        await this.#say(event);
      }
      if (!list.some(({ kind }) => kind === 'image')) return;
    }
  }

  async #say(event: BuildEvent): Promise<void> {
    switch (event.kind) {
      case 'step':
        return this.#line(`Step ${event.step}/${event.steps} : ${event.text}\n`);
      case 'cache':
        return event.verdict.kind === 'hit' ? this.#line(' ---> Using cache\n') : undefined;
      case 'running':
        return this.#line(` ---> Running in ${shortId(event.container)}\n`);
      case 'output':
        return this.#line(Buffer.from(event.data).toString('utf8'));
      case 'removed':
        return this.#line(`Removing intermediate container ${shortId(event.container)}\n`);
      case 'image':
        this.#lastId = event.id;
        return event.id === ''
          ? this.#line(' ---> \n')
          : this.#line(` ---> ${shortId(event.id)}\n`);
      case 'note':
        return this.#line(`${event.text}\n`);
      case 'warning':
        return;
      case 'pull':
        if (!this.#quiet) await this.#tell(renderProgress(event.progress as Progress));
        return;
      case 'built':
        await this.#tell({ aux: { ID: event.id } });
        if (this.#quiet) {
          await this.#tell({ stream: `${event.id}\n` });
          return;
        }
        await this.#line(`Successfully built ${shortId(event.id.replace(/^sha256:/, ''))}\n`);
        for (const tag of event.tags) {
          await this.#line(`Successfully tagged ${tag}\n`);
        }
        return;
      default:
        event satisfies never;
    }
  }

  async #line(stream: string): Promise<void> {
    if (!this.#quiet) await this.#tell({ stream });
  }

  /** Of the last step; for what failed. */
  get lastId(): string {
    return this.#lastId;
  }
}
