// A look into a container's files, whatever state it is in: the lock and the clock around
// runtime/visit.ts. One that runs is looked at in place and goes on; one that is stopped stays so
// until the look ends, because two mounts must not write one top (overlayfs.rst, "Sharing and
// copying layers").
import { EngineError, isEngineError } from '#base/error.ts';
import type { Box } from '#runtime/box.ts';
import type { Visit, VisitWish } from '#runtime/visit.ts';
import type { Deps } from './deps.ts';
import { checkThere, isRunning } from './guard.ts';
import type { Cuttable } from './live.ts';
import { makeBox } from './make-box.ts';
import { planNamespaces } from './namespace.ts';
import { networkNamespace, sourceOf } from './network.ts';
import { isNotRunning, onTask } from './pause.ts';
import type { ContainerRecord } from './record.ts';
import { cgroupOf } from './slice.ts';
import { isFile, layersOf } from './sources.ts';
import { volumesOf } from './volumes.ts';

/** Looks at once, each with a process of its own. */
export const VISITS_MAX = 64;
/** A client that neither reads nor sends for so long keeps nobody else from the container. */
export const VISIT_IDLE_MS_MAX = 300_000;
/** From the end of a process until its record says so. */
const SETTLE_MS_MAX = 10_000;

let open = 0;

/** A look that somebody has open; cut() ends it, and whoever reads or writes is told why. */
export class OpenVisit implements AsyncDisposable, Cuttable {
  readonly files: Visit;
  readonly record: ContainerRecord;
  readonly holdsRoot: boolean;
  readonly #parts: AsyncDisposableStack;
  readonly #timer: NodeJS.Timeout;
  #cut: EngineError | undefined;

  constructor(
    { files, record }: Looking,
    parts: AsyncDisposableStack,
    { holdsRoot }: Pick<Cuttable, 'holdsRoot'>,
  ) {
    this.files = files;
    this.record = record;
    this.holdsRoot = holdsRoot;
    this.#parts = parts;
    const why = `nothing was read or sent for ${VISIT_IDLE_MS_MAX / 1000} seconds`;
    const giveUp = (): void => {
      this.cut(why);
      void this[Symbol.asyncDispose]();
    };
    this.#timer = setTimeout(giveUp, VISIT_IDLE_MS_MAX).unref();
  }

  /** Something goes on. */
  touch(): void {
    this.#timer.refresh();
  }

  cut(why: string): void {
    this.#cut ??= wasEnded(this.record, why);
    this.files.kill();
  }

  /** Why it was cut, or what it failed with. */
  reason(error: unknown): unknown {
    return this.#cut ?? error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#parts.disposeAsync();
  }
}

export function wasEnded({ id }: ContainerRecord, why: string): EngineError {
  return new EngineError('unavailable', `copying files of container ${id} was ended: ${why}`);
}

export async function openVisit(
  deps: Deps,
  ref: string,
  wish: VisitWish = { alone: false },
): Promise<OpenVisit> {
  const { id } = deps.store.get(ref);
  await using parts = new AsyncDisposableStack();
  countVisit(parts);
  const looking = await look(deps, id, wish, parts);
  const { visits } = deps.lives.of(id);
  parts.defer(() => {
    visits.delete(visit);
  });
  const visit = new OpenVisit(looking, parts.move(), { holdsRoot: true });
  visits.add(visit);
  return visit;
}

/** Until the parts are let go of. */
export function countVisit(parts: AsyncDisposableStack): void {
  if (open >= VISITS_MAX) {
    const text = `more than ${VISITS_MAX} copies of files at once: try again when one has ended`;
    throw new EngineError('unavailable', text, { facts: { limit: 'VISITS_MAX', max: VISITS_MAX } });
  }
  open += 1;
  parts.defer(() => {
    open -= 1;
  });
}

type Looking = { readonly files: Visit; readonly record: ContainerRecord };

async function look(
  deps: Deps,
  id: string,
  wish: VisitWish,
  parts: AsyncDisposableStack,
): Promise<Looking> {
  for (;;) {
    // What is just being started or stopped is seen as what it comes to.
    const lock = await deps.locks.acquire(id);
    using locked = new DisposableStack();
    locked.use(lock);
    const record = deps.store.get(id);
    if (!isRunning(record.state)) {
      checkThere(record);
      parts.use(locked.move());
      return { record, files: parts.use(await lookAtStopped(deps, record, wish, parts)) };
    }
    const ended = deps.lives.of(id).exited.next(AbortSignal.timeout(SETTLE_MS_MAX));
    const files = await lookInside(deps, record, wish);
    if (files !== undefined) return { record, files: parts.use(files) };
    locked.dispose();
    await ended;
  }
}

/** undefined: its process has just ended. */
async function lookInside(
  deps: Deps,
  record: ContainerRecord,
  wish: VisitWish,
): Promise<Visit | undefined> {
  let files: Visit | undefined;
  try {
    return await onTask(deps, record.id, async (task) => {
      files = await deps.visits.running(task.pid, record.userns?.mappings ?? [], wish);
      // It still is there, so the number was its own all the time.
      await task.signal('', 0);
      return files;
    });
  } catch (error) {
    await files?.[Symbol.asyncDispose]();
    if (isNotRunning(error) || hasLeft(error)) return undefined;
    throw error;
  }
}

/** It has ended and nobody has waited for it: then there is no namespace to enter. */
function hasLeft(error: unknown): boolean {
  if (!isEngineError(error, 'kernel_refused')) return false;
  const { op, errno } = error.facts;
  return op === 'tree_enter' && (errno === 'ENOENT' || errno === 'ESRCH');
}

async function lookAtStopped(
  deps: Deps,
  record: ContainerRecord,
  wish: VisitWish,
  parts: AsyncDisposableStack,
): Promise<Visit> {
  parts.use(await deps.snapshots.hold(record.id));
  if (record.spec.host.autoRemove) deps.snapshots.reopen(record.id);
  const names = wish.alone ? [] : volumesOf(record);
  if (names.length > 0) parts.defer(() => deps.volumes.release(record.id));
  for (const name of names) await deps.volumes.hold(name, record.id);
  return deps.visits.stopped(boxToLookAt(deps, record), wish);
}

/** Its root and its mounts; of a process there is nothing. */
function boxToLookAt(deps: Deps, record: ContainerRecord): Box {
  const source = sourceOf(record, deps.settings);
  const join = (): number => 1; // nothing is joined
  const files = source.kind === 'join' ? deps.store.find(source.container) : undefined;
  return makeBox(record, {
    settings: deps.settings,
    ...planNamespaces(record, {
      cgroupVersion: deps.settings.cgroupVersion,
      join,
      network: networkNamespace(source, { path: undefined, join }),
    }),
    env: [],
    devices: [],
    root: deps.snapshots.root(record.id),
    ...cgroupOf(deps, record.spec.host, 'skip'),
    directory: deps.store.directory(record.id),
    filesOf: deps.store.directory(files?.id ?? record.id),
    isFile,
    layersOf: (chain) => layersOf(deps, chain),
  });
}

/** Takes the first part of a source now, so that its failure can still be told. */
export async function begin<T>(
  source: AsyncGenerator<T, void, undefined>,
  failure: (error: unknown) => unknown,
): Promise<AsyncGenerator<T, void, undefined>> {
  try {
    const first = await source.next();
    return rest(first, source);
  } catch (error) {
    throw failure(error);
  }
}

async function* rest<T>(
  first: IteratorResult<T, void>,
  source: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  if (first.done === true) return;
  yield first.value;
  yield* source;
}

/** The bytes of an answer; with their end, or that of whoever reads them, the look ends. */
export async function* keepOpen(
  visit: OpenVisit,
  bytes: AsyncIterable<Uint8Array>,
  parts: AsyncDisposableStack,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using _all = parts;
  try {
    for await (const chunk of bytes) {
      visit.touch();
      yield chunk;
    }
  } catch (error) {
    throw visit.reason(error);
  }
}
