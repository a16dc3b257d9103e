// The locks of containers: one change at a time. What was launched ahead of a start ends here, in
// one place, before anything else is done to its container.
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Lives } from './live.ts';

export class ContainerLocks extends KeyedLock {
  readonly #lives: Lives;

  constructor(lives: Lives) {
    super();
    this.#lives = lives;
  }

  override async acquire(id: string): Promise<Disposable> {
    const lock = await super.acquire(id);
    await this.#lives.find(id)?.ahead?.cancel();
    return lock;
  }

  /** For start, which takes over what was launched ahead, and for attach, which comes before it. */
  acquireForStart(id: string): Promise<Disposable> {
    return super.acquire(id);
  }
}
