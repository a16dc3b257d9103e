// A build's events in the words of Docker's classic builder: "Step 1/2 : FROM x", " ---> id", what
// RUN printed, and at the end "Successfully built". Stages that are built at the same time are told
// one after the other, in the order of the Dockerfile.
import { StringDecoder } from 'node:string_decoder';
import { shortId } from '#base/id.ts';
import type { BuildEvent } from '#build/request.ts';
import type { Progress } from '#image/load.ts';
import type { BuildMessage } from '#wire/build.ts';
import { renderProgress } from '../image/progress.ts';

export type Tell = (message: BuildMessage) => void | Promise<void>;

/** Output of stages that wait for their turn; more holds them up until it is told. */
export const WAITING_BYTES_MAX = 16 * 1024 * 1024;

export class ClassicStream {
  readonly #tell: Tell;
  readonly #quiet: boolean;
  /** Stages in the order in which they are told; the first one is being told. */
  #order: readonly number[] = [];
  /** What stages have to tell whose turn has not come, or is just coming. */
  readonly #waiting = new Map<number, BuildEvent[]>();
  /** A letter of several bytes may come in two pieces. */
  readonly #decoders = new Map<string, StringDecoder>();
  #bytes = 0;
  #failed = false;
  #room = Promise.withResolvers<void>();

  constructor(tell: Tell, options: { readonly quiet: boolean }) {
    this.#tell = tell;
    this.#quiet = options.quiet;
  }

  async add(event: BuildEvent): Promise<void> {
    if (event.kind === 'stages') this.#order = event.stages;
    if (event.kind === 'failed') {
      this.#failed = true;
      this.#makeRoom();
    }
    // A stage that has no place in the order was asked for by one that has: it is told at once.
    if (!('stage' in event) || !this.#order.includes(event.stage)) return this.#say(event);
    const { stage } = event;
    if (stage !== this.#order[0] || this.#waiting.has(stage)) return this.#wait(event, stage);
    if (event.kind === 'stage-end') await this.#next();
    else await this.#say(event);
  }

  async #wait(event: BuildEvent, stage: number): Promise<void> {
    const list = this.#waiting.get(stage) ?? [];
    list.push(event);
    this.#waiting.set(stage, list);
    if (event.kind !== 'output') return;
    this.#bytes += event.data.length;
    // Nobody that is told now waits for it: stages need earlier ones only.
    while (this.#bytes > WAITING_BYTES_MAX && stage !== this.#order[0] && !this.#failed) {
      await this.#room.promise;
    }
  }

  /** The turn of the next stage, and of those behind it that have ended. */
  async #next(): Promise<void> {
    for (let ended = true; ended; ) {
      ended = false;
      this.#order = this.#order.slice(1);
      const [stage = -1] = this.#order;
      this.#makeRoom();
      const list = this.#waiting.get(stage) ?? [];
      for (let event = list.shift(); event !== undefined; event = list.shift()) {
        if (event.kind === 'output') this.#bytes -= event.data.length;
        if (event.kind === 'stage-end') ended = true;
        else await this.#say(event);
      }
      this.#waiting.delete(stage);
    }
  }

  #makeRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers<void>();
  }

  /** A build has failed: what other stages had to tell goes before the error. */
  async flush(): Promise<void> {
    while (this.#order.length > 0) await this.#next();
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
        return this.#line(this.#decode(event));
      case 'removed':
        return this.#line(`Removing intermediate container ${shortId(event.container)}\n`);
      case 'image':
        return this.#line(event.id === '' ? ' ---> \n' : ` ---> ${shortId(event.id)}\n`);
      case 'note':
        return this.#line(`${event.text}\n`);
      case 'stages':
      case 'stage-end':
      case 'failed':
      case 'warning':
        return;
      case 'pull':
        if (!this.#quiet) await this.#tell(renderProgress(event.progress as Progress));
        return;
      case 'agent':
        // Only who has offered an agent is told.
        return this.#tell({ coracle: event });
      case 'built':
        await this.#tell({ aux: { ID: event.id } });
        if (this.#quiet) {
          await this.#tell({ stream: `${event.id}\n` });
          return;
        }
        await this.#line(`Successfully built ${shortId(event.id.replace(/^sha256:/, ''))}\n`);
        for (const tag of event.tags) await this.#line(`Successfully tagged ${tag}\n`);
        return;
      default:
        event satisfies never;
    }
  }

  #decode({ step, stream, data }: Extract<BuildEvent, { kind: 'output' }>): string {
    const key = `${step}:${stream}`;
    const decoder = this.#decoders.get(key) ?? new StringDecoder('utf8');
    this.#decoders.set(key, decoder);
    return decoder.write(Buffer.from(data));
  }

  async #line(stream: string): Promise<void> {
    if (!this.#quiet && stream !== '') await this.#tell({ stream });
  }
}
