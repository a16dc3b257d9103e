// Copies of a volume while containers may have it: those that run are frozen for the moment, so
// that the copy is of one moment, as after a power cut. What replaces the content waits until none
// runs.
import { EngineError } from '#base/error.ts';
import { checkUnused } from '#volume/volume.ts';
import type { Deps } from './deps.ts';
import { isRunning } from './guard.ts';
import { taskOf } from './pause.ts';
import { usersOf, volumesOf } from './volumes.ts';

type CopyDeps = Pick<Deps, 'store' | 'locks' | 'lives' | 'volumes'>;

/** All or none is frozen; one that ends meanwhile needs no thaw. */
export async function whileFrozen<T>(
  deps: CopyDeps,
  name: string,
  run: () => Promise<T>,
): Promise<T> {
  // The file system of a disk is held itself, so its containers need not be.
  if (deps.volumes.get(name).limit?.kind === 'disk') return run();
  const users = deps.store.list().filter((record) => volumesOf(record).includes(name));
  await using thaw = new AsyncDisposableStack();
  for (const { id } of users) {
    // None of them starts or is unpaused meanwhile.
    thaw.use(await lock(deps, id));
    const record = deps.store.find(id);
    if (record?.state.status !== 'running') continue;
    const task = taskOf(deps, id);
    thaw.defer(() => task.resume().catch(() => {}));
    try {
      await task.pause();
    } catch (cause) {
      const why = `container ${id} runs with it and cannot be frozen`;
      throw new EngineError('conflict', `cannot copy volume ${name}: ${why}`, { cause });
    }
  }
  return await run();
}

async function lock(deps: CopyDeps, id: string): Promise<AsyncDisposable> {
  const held = await deps.locks.acquire(id);
  return { [Symbol.asyncDispose]: async () => held[Symbol.dispose]() };
}

/** For what replaces the content: a process would keep the old one that it has open. */
export async function whileStopped<T>(
  deps: CopyDeps,
  verb: string,
  name: string,
  run: () => Promise<T>,
): Promise<T> {
  deps.volumes.get(name);
  const users = deps.store.list().filter((record) => volumesOf(record).includes(name));
  using locks = new DisposableStack();
  for (const { id } of users) locks.use(await deps.locks.acquire(id));
  const running = usersOf(deps.store.list(), ({ state }) => isRunning(state));
  checkUnused(verb, name, running.get(name) ?? []);
  return await run();
}
