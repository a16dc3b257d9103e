// The sandboxes in memory and below the exec root: `<exec>/net/<32 hex>.json`, and beside it the
// file that pins the namespace. The records are not made durable: they die with the boot of the
// host, as the namespaces do. Each is written before anything that it names is made in the kernel,
// so that a daemon that dies in between leaves nothing that the next one cannot find.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '#base/atomic-file.ts';
import { messageOf } from '#base/error.ts';
import type { Sandbox } from './engine.ts';
import { decodeSandbox, encodeSandbox } from './record.ts';

const NAME_DIGITS = 32;
const SUFFIX = '.json';
const PIN = /^[0-9a-f]{32}$/;
const LEFT_OVER = /^[0-9a-f]{32}\.json\.tmp-\d+-\d+$/;

export class SandboxStore {
  readonly #directory: string;
  readonly #sandboxes = new Map<string, Sandbox>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads all records; answers what cannot be read. */
  load(): readonly string[] {
    mkdirSync(this.#directory, { recursive: true, mode: 0o711 });
    chmodSync(this.#directory, 0o711); // also with a umask that forbids it
    const problems: string[] = [];
    for (const file of readdirSync(this.#directory)) {
      if (LEFT_OVER.test(file)) rmSync(join(this.#directory, file), { force: true });
      const pin = file.slice(0, -SUFFIX.length);
      if (!file.endsWith(SUFFIX) || !PIN.test(pin)) continue;
      const path = join(this.#directory, file);
      try {
        const sandbox = decodeSandbox(readFileSync(path, 'utf8'), join(this.#directory, pin));
        this.#sandboxes.set(sandbox.containerId, sandbox);
      } catch (error) {
        // Of no use to anybody: what it described is taken down with its namespace.
        problems.push(`${path}: ${messageOf(error)}`);
        rmSync(path, { force: true });
      }
    }
    return problems;
  }

  /** Pinned namespaces that no record names, as they are now. */
  orphans(): readonly string[] {
    const known = new Set(this.list().map(({ path }) => path));
    return readdirSync(this.#directory)
      .filter((file) => PIN.test(file))
      .map((file) => join(this.#directory, file))
      .filter((path) => !known.has(path));
  }

  /** Where the namespace of a container is pinned. */
  pathOf(containerId: string): string {
    return join(this.#directory, containerId.slice(0, NAME_DIGITS));
  }

  get(containerId: string): Sandbox | undefined {
    return this.#sandboxes.get(containerId);
  }

  list(): readonly Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  put(sandbox: Sandbox): void {
    replaceFile(sandbox.path + SUFFIX, encodeSandbox(sandbox));
    this.#sandboxes.set(sandbox.containerId, sandbox);
  }

  /** It is so already: known from here on, also where it cannot be written. */
  restore(sandbox: Sandbox): void {
    this.#sandboxes.set(sandbox.containerId, sandbox);
    replaceFile(sandbox.path + SUFFIX, encodeSandbox(sandbox));
  }

  /** It is gone already, as with restore(). */
  delete(containerId: string): void {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox === undefined) return;
    this.#sandboxes.delete(containerId);
    rmSync(sandbox.path + SUFFIX, { force: true });
  }
}
