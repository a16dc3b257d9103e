// A ContainerEngine that records what it is asked and answers from a list of views. It has one
// container that runs `cat`: what an attached client writes comes back as stdout.
import { Duplex } from 'node:stream';
import { EngineError } from '#base/error.ts';
import type {
  AttachSession,
  ContainerEngine,
  ContainerView,
  ExecView,
  Explanation,
  WaitAnswer,
} from '#container/engine.ts';
import { CONTAINER_ID } from './view.ts';

export type Call = readonly [verb: string, ...rest: unknown[]];

const NO_PLAN: Explanation = { id: '', name: '', image: '', groups: [], totalNanoseconds: null };

export class RecordingEngine implements ContainerEngine {
  readonly calls: Call[] = [];
  views: ContainerView[] = [];
  /** Thrown by the next verb. */
  failure: EngineError | undefined;
  readonly exited = Promise.withResolvers<WaitAnswer>();
  execDelayMs = 0;
  lastSession: Duplex | undefined;
  lastSignal: AbortSignal | undefined;
  logChunks: AsyncIterable<Uint8Array> = empty();

  #record(...call: Call): void {
    this.calls.push(call);
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async changes(ref: string) {
    this.#record('changes', ref);
    return [];
  }

  async export(ref: string) {
    this.#record('export', ref);
    return empty();
  }

  async commit(...args: Parameters<ContainerEngine['commit']>) {
    this.#record('commit', ...args);
    return CONTAINER_ID;
  }

  async snapshot(...args: Parameters<ContainerEngine['snapshot']>) {
    this.#record('snapshot', ...args);
    return { name: args[1], createdAt: '', bytesCopied: 1, bytesShared: 2 };
  }

  async snapshots(...args: Parameters<ContainerEngine['snapshots']>) {
    this.#record('snapshots', ...args);
    return [];
  }

  async inspectSnapshot(...args: Parameters<ContainerEngine['inspectSnapshot']>) {
    this.#record('inspectSnapshot', ...args);
    return { name: args[1], createdAt: '', bytesCopied: 1, bytesShared: 2, size: 3 };
  }

  async removeSnapshot(...args: Parameters<ContainerEngine['removeSnapshot']>) {
    this.#record('removeSnapshot', ...args);
  }

  async rollback(...args: Parameters<ContainerEngine['rollback']>) {
    this.#record('rollback', ...args);
    return { name: args[1], createdAt: '', bytesCopied: 1, bytesShared: 2 };
  }

  takeLayer(): Promise<never> {
    this.#record('takeLayer');
    return Promise.reject(new Error('no layers here'));
  }

  async statArchive(...args: Parameters<ContainerEngine['statArchive']>) {
    this.#record('statArchive', ...args);
    return { name: 'x', size: 5, mode: 0o644, mtime: 0n, linkTarget: '' };
  }

  async getArchive(...args: Parameters<ContainerEngine['getArchive']>) {
    this.#record('getArchive', ...args);
    return { stat: await this.statArchive(...args), chunks: empty() };
  }

  async putArchive(...args: Parameters<ContainerEngine['putArchive']>) {
    this.#record('putArchive', ...args);
  }

  async create(...args: Parameters<ContainerEngine['create']>) {
    this.#record('create', ...args);
    return { id: CONTAINER_ID, warnings: [] };
  }
  async plan(...args: Parameters<ContainerEngine['plan']>) {
    this.#record('plan', ...args);
    return NO_PLAN;
  }
  async explain(ref: string) {
    this.#record('explain', ref);
    return NO_PLAN;
  }
  async start(ref: string, options: object) {
    this.#record('start', ref, options);
  }
  async stop(ref: string, options: object) {
    this.#record('stop', ref, options);
  }
  async restart(ref: string, options: object) {
    this.#record('restart', ref, options);
  }
  async clearLogs(ref: string) {
    this.#record('clearLogs', ref);
  }
  async kill(ref: string, signal: string | undefined) {
    this.#record('kill', ref, signal);
  }
  async pause(ref: string) {
    this.#record('pause', ref);
  }
  async unpause(ref: string) {
    this.#record('unpause', ref);
  }
  async rename(ref: string, name: string) {
    this.#record('rename', ref, name);
  }
  async remove(ref: string, options: object) {
    this.#record('remove', ref, options);
  }
  async resize(ref: string, size: object) {
    this.#record('resize', ref, size);
  }
  async update(ref: string, change: object) {
    this.#record('update', ref, change);
    return [];
  }
  async connect(ref: string, wish: object) {
    this.#record('connect', ref, wish);
  }
  async disconnect(ref: string, network: string, options: object) {
    this.#record('disconnect', ref, network, options);
  }
  async changePorts(ref: string, change: object) {
    this.#record('changePorts', ref, change);
  }
  async ports(ref: string) {
    this.#record('ports', ref);
    return [];
  }
  async wait(ref: string, condition: string) {
    this.#record('wait', ref, condition);
    return { answer: this.exited.promise };
  }
  async attach(ref: string, wish: object, signal: AbortSignal): Promise<AttachSession> {
    this.#record('attach', ref, wish);
    return this.#session(this.inspect(ref).spec.config.tty, signal);
  }
  async logs(ref: string, wish: object, signal: AbortSignal) {
    this.#record('logs', ref, wish);
    this.lastSignal = signal;
    return { tty: false, chunks: this.logChunks };
  }
  async watchStats(ref: string): Promise<void> {
    this.#record('watchStats', ref);
  }
  async statsOnce(ref: string, wish: object): Promise<undefined> {
    this.#record('statsOnce', ref, wish);
  }
  async top(ref: string, psArgs: string) {
    this.#record('top', ref, psArgs);
    return { titles: ['PID'], processes: [['1']] };
  }
  async prune(filters: ReadonlyMap<string, readonly string[]>) {
    this.#record('prune', filters);
    return { deleted: [], spaceReclaimed: 0 };
  }
  async execCreate(ref: string, spec: object) {
    this.inspect(ref);
    this.#record('execCreate', ref, spec);
    return 'e'.repeat(64);
  }
  async execStart(id: string, options: { readonly tty: boolean }, signal: AbortSignal) {
    this.#record('execStart', id, options);
    await new Promise((resolve) => setTimeout(resolve, this.execDelayMs));
    return this.#session(options.tty, signal);
  }
  async execResize(id: string, size: object) {
    this.#record('execResize', id, size);
  }
  execInspect(id: string): ExecView {
    if (id !== 'e'.repeat(64)) {
      throw new EngineError('not_found', `No such exec instance: ${id}`);
    }
    const spec = {
      cmd: ['sh', '-c', 'x'],
      env: [],
      workingDir: '',
      user: '',
      privileged: false,
      tty: false,
      attachStdin: true,
      attachStdout: true,
      attachStderr: true,
      detachKeys: '',
      consoleSize: undefined,
    };
    return { id, containerId: CONTAINER_ID, spec, running: false, exitCode: null, pid: 0 };
  }
  inspect(ref: string): ContainerView {
    const name = ref.replace(/^\//, '');
    const found = this.views.find((view) => view.name === name || view.id.startsWith(name));
    if (found === undefined) throw new EngineError('not_found', `No such container: ${ref}`);
    return found;
  }
  list(): readonly ContainerView[] {
    return this.views;
  }
  async sizes() {
    return { rw: 5, rootFs: 7 };
  }

  /** `cat`: framed without a tty. Ends when its stdin ends. */
  #session(tty: boolean, signal: AbortSignal): AttachSession {
    this.lastSignal = signal;
    const stream: Duplex = new Duplex({
      allowHalfOpen: true,
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
        head.writeUInt32BE(chunk.length, 4);
        stream.push(tty ? chunk : Buffer.concat([head, chunk]));
        done();
      },
      final: (done) => {
        stream.push(null);
        done();
      },
    });
    this.lastSession = stream;
    return { stream, tty };
  }
}

async function* empty(): AsyncGenerator<never> {}
