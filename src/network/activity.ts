// Which networks are in the kernel, and how many endpoints hold each. Nothing here waits for a
// lock: holds are counted in one turn, so a network cannot go away under a container that is
// starting, and starts of different containers do not wait for each other but for a bridge that is
// being made.
import { EngineError } from '#base/error.ts';
import type { NetworkDrivers } from './driver/drivers.ts';
import type { NetworkRecord } from './engine.ts';
import type { ActiveNetwork, PortPart } from './parts.ts';

export class Activity {
  readonly #drivers: NetworkDrivers;
  readonly #ports: Pick<PortPart, 'networkUp' | 'networkDown'>;
  readonly #holds = new Map<string, number>();
  readonly #leaving = new Set<string>();
  readonly #up = new Set<string>();
  /** How often it had to be made since this daemon runs. */
  readonly #made = new Map<string, number>();
  /** One change of a network at a time. */
  readonly #changes = new Map<string, Promise<unknown>>();

  constructor(drivers: NetworkDrivers, ports: Pick<PortPart, 'networkUp' | 'networkDown'>) {
    this.#drivers = drivers;
    this.#ports = ports;
  }

  active(record: NetworkRecord): ActiveNetwork {
    return { record, bridge: this.#drivers[record.driver].bridge(record) };
  }

  isUp(record: NetworkRecord): boolean {
    return this.#up.has(record.id);
  }

  /** Another number than before = it was made anew, by whomever. */
  generation(record: NetworkRecord): number {
    return this.#made.get(record.id) ?? 0;
  }

  holds(record: NetworkRecord): number {
    return this.#holds.get(record.id) ?? 0;
  }

  hold(record: NetworkRecord): void {
    if (this.#leaving.has(record.id)) {
      throw new EngineError('not_found', `network ${record.name} not found`);
    }
    this.#holds.set(record.id, this.holds(record) + 1);
  }

  release(record: NetworkRecord): void {
    this.#holds.set(record.id, Math.max(0, this.holds(record) - 1));
  }

  /** From here on nobody can hold it; false when somebody does. */
  leave(record: NetworkRecord): boolean {
    if (this.holds(record) > 0 || this.#leaving.has(record.id)) return false;
    this.#leaving.add(record.id);
    return true;
  }

  stay(record: NetworkRecord): void {
    this.#leaving.delete(record.id);
  }

  forget(record: NetworkRecord): void {
    this.#leaving.delete(record.id);
    this.#holds.delete(record.id);
    this.#up.delete(record.id);
    this.#made.delete(record.id);
  }

  /** These are up already: their rules were brought in line all at once. */
  adopt(records: readonly NetworkRecord[]): void {
    for (const { id } of records) this.#up.add(id);
  }

  /** Its bridge and rules are there; undefined = they are already. */
  up(record: NetworkRecord): Promise<unknown> | undefined {
    return this.#up.has(record.id)
      ? undefined
      : this.#change(record, () => this.#raise(record, false));
  }

  /**
   * Looks whether it still is there, and makes what is missing; answers whether that was needed.
   */
  again(record: NetworkRecord): Promise<boolean> {
    return this.#change(record, () => this.#raise(record, true));
  }

  down(record: NetworkRecord): Promise<unknown> {
    return this.#change(record, async () => {
      // Before it is: what goes wrong half way must not pass for a network that is whole.
      this.#up.delete(record.id);
      await this.#ports.networkDown(this.active(record));
      await this.#drivers[record.driver].deactivate(record);
    });
  }

  async #raise(record: NetworkRecord, again: boolean): Promise<boolean> {
    if (!again && this.#up.has(record.id)) return false;
    const driver = this.#drivers[record.driver];
    const made = await driver.activate(record, { again });
    if (!made && this.#up.has(record.id)) return false;
    try {
      await this.#ports.networkUp(this.active(record));
    } catch (error) {
      if (made) await driver.deactivate(record);
      throw error;
    }
    this.#up.add(record.id);
    if (made) this.#made.set(record.id, this.generation(record) + 1);
    return made;
  }

  async #change<T>(record: NetworkRecord, work: () => Promise<T>): Promise<T> {
    const { id } = record;
    const mine = (this.#changes.get(id) ?? Promise.resolve()).then(work, work);
    this.#changes.set(id, mine);
    try {
      return await mine;
    } finally {
      if (this.#changes.get(id) === mine) this.#changes.delete(id);
    }
  }
}
