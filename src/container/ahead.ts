// A launch ahead: a container that is created to be run once and removed (`docker run --rm`) is
// made up to where it waits for "go" while its client still is busy between create and start.
// Nobody sees it: the state stays "created", networks hide its sandbox, no event is told. Whoever
// takes the container's lock for anything but its start ends it first (lock.ts), and so does the
// time limit. Its errors are told to nobody: the start tries again, plainly.
import type { Duplex } from 'node:stream';
import { Undo } from '#base/undo.ts';
import { DEFAULT_NETWORK } from '#network/mode.ts';
import type { AttachStream } from './attach-stream.ts';
import type { Deps } from './deps.ts';
import { sweepRun } from './exit.ts';
import { runDirectoryOf } from './make-box.ts';
import { type Made, make } from './make.ts';
import { dnsOf, sourceOf } from './network.ts';
import type { Spare, Task } from './port.ts';
import type { ContainerRecord } from './record.ts';
import type { MountsWanted } from './settle-mounts.ts';
import { parseUsernsMode } from './userns.ts';

/** From create to start the docker CLI takes a few milliseconds, on a busy machine some tens. */
const AHEAD_MS_MAX = 300;
/** Who creates many containers before he starts the first gets nothing from launches ahead. */
const AHEADS_MAX = 4;

export type Taken = {
  readonly made: Made;
  /** Of all that was made. */
  readonly undo: Undo;
  readonly attach: (attachment: AttachStream) => Promise<Duplex>;
};

/** In create, as soon as it is known what is wished; undefined when it gets none. */
export function prepareAhead(
  deps: Deps,
  draft: ContainerRecord,
  mounts: Pick<MountsWanted, 'wishes' | 'inherited'>,
): Ahead | undefined {
  const { lives } = deps;
  if (mounts.wishes.length > 0 || mounts.inherited.length > 0) return undefined;
  if (lives.closed || lives.aheads.size >= AHEADS_MAX) return undefined;
  return mayLaunchAhead(deps, draft) ? new Ahead(deps, draft) : undefined;
}

/**
 * Only what is the container's own, or cannot change before its start: no directory of the host, no
 * device, no namespace of another, no port or address of its wish, no limit of a
 * slice, no disk of its own.
 */
export function mayLaunchAhead(
  deps: Pick<Deps, 'settings' | 'slices'>,
  record: ContainerRecord,
): boolean {
  const { host } = record.spec;
  const { defaultRuntime, runtimes } = deps.settings;
  const runtime = host.runtime === '' ? defaultRuntime : host.runtime;
  return (
    host.autoRemove &&
    runtime === runtimes[0] &&
    host.links.length === 0 &&
    parseUsernsMode(host.usernsMode).mode === 'host' &&
    host.devices.length === 0 &&
    Object.keys(host.storageOpt).length === 0 &&
    !host.privileged &&
    host.cgroupParent === '' &&
    deps.slices.place(host).slice === undefined &&
    ![host.pidMode, host.ipcMode].some((mode) => mode.startsWith('container:')) &&
    hasPlainNetwork(deps, record)
  );
}

/** None, or an address of the default bridge, whichever. */
function hasPlainNetwork(deps: Pick<Deps, 'settings'>, record: ContainerRecord): boolean {
  const source = sourceOf(record, deps.settings);
  if (source.kind !== 'own') return false;
  const { request } = source;
  if (request === undefined) return true;
  const [first, ...more] = request.endpoints;
  return (
    first?.network === DEFAULT_NETWORK &&
    first.ip === undefined &&
    first.ip6 === undefined &&
    more.length === 0 &&
    request.ports.length === 0 &&
    request.rate === undefined
  );
}

export class Ahead {
  readonly #deps: Deps;
  readonly #id: ContainerRecord['id'];
  readonly #undo: Undo;
  readonly #spare: Promise<Spare>;
  readonly #streams = new Map<AttachStream, Promise<Duplex | undefined>>();
  #record: ContainerRecord | undefined;
  #made: Promise<Made | undefined> | undefined;
  #resolvConf = '';
  #timer: NodeJS.Timeout | undefined;
  #attach: Task['attach'] | undefined;
  #ended: Promise<void> | undefined;

  /** The monitor is forked on the other core while the container is made. */
  constructor(deps: Deps, draft: ContainerRecord) {
    const { id } = draft;
    const source = sourceOf(draft, deps.settings);
    const makesNetwork = source.kind === 'own' && source.request === undefined;
    this.#deps = deps;
    this.#id = id;
    this.#undo = new Undo(deps.report);
    this.#undo.add('end the launch ahead', () => sweepRun(deps, id));
    this.#spare = deps.runtime.fork(runDirectoryOf(deps.settings, id), makesNetwork);
    this.#spare.catch(() => {}); // awaited by the launch
    this.#undo.add('let the monitor go', async () => {
      const monitor = await this.#spare.catch(() => undefined);
      await monitor?.[Symbol.asyncDispose]();
    });
    deps.lives.aheads.add(this);
  }

  /** The container has all that it is made of; it is told of only when it is settled. */
  begin(record: ContainerRecord): void {
    const deps = this.#deps;
    this.#record = record;
    this.#resolvConf = this.#resolvConfOf(record);
    this.#undo.add('make the root mountable again', () => deps.snapshots.reopen(record.id));
    this.#made = make(deps, record, this.#undo, {
      hidden: true,
      spare: this.#spare,
      onAttachable: (attach) => {
        this.#attach = attach;
      },
    }).catch(() => undefined);
  }

  /** From now on a start may come. */
  settle({ id }: ContainerRecord): void {
    this.#deps.lives.of(id).ahead = this;
    this.#timer = setTimeout(() => void this.cancel(), AHEAD_MS_MAX);
  }

  #resolvConfOf(record: ContainerRecord): string {
    return this.#deps.networks.plainResolvConf(dnsOf(record.spec.host), false);
  }

  /**
   * A client that waits for the start: its connection is made already. Not with its input: a client
   * that goes before the start would end that of the container.
   */
  join(attachment: AttachStream): void {
    if (this.#attach === undefined || attachment.streams.stdin) return;
    const stream = this.#attach(attachment.streams).catch(() => undefined); // too early
    this.#streams.set(attachment, stream);
    // It may go before the start, and what nobody reads holds the program up.
    attachment.once('close', async () => (await stream)?.destroy());
  }

  /** The start's from now on; undefined when it did not come to anything, and then it is undone. */
  async take(record: ContainerRecord): Promise<Taken | undefined> {
    clearTimeout(this.#timer);
    const made = await this.#made;
    const same = record.spec === this.#record?.spec && record.name === this.#record.name;
    const whole = made !== undefined && this.#ended === undefined;
    if (!whole || !same || this.#resolvConf !== this.#resolvConfOf(record)) {
      await this.cancel();
      return undefined;
    }
    this.#forget();
    const { task } = made;
    const attach = async (attachment: AttachStream): Promise<Duplex> =>
      (await this.#streams.get(attachment)) ?? task.attach(attachment.streams);
    return { made, undo: this.#undo, attach };
  }

  /** Resolves when nothing is left of it. */
  cancel(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#made;
    await this.#undo[Symbol.asyncDispose]();
    for (const stream of this.#streams.values()) (await stream)?.destroy();
    this.#forget();
  }

  #forget(): void {
    const { lives } = this.#deps;
    lives.aheads.delete(this);
    const live = lives.find(this.#id);
    if (live !== undefined) live.ahead = undefined;
  }
}
