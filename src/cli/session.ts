// What run, start -a and attach share: attach before start, signals to the container, resizes.
import { constants } from 'node:os';
import { type EngineClient, type Hijacked, type Query, readText } from '#client/client.ts';
import type { ContainerInspect, ContainerWaitReply } from '#wire/container.ts';
import { CliError } from './command.ts';
import { type JoinEnd, joinStreams } from './streams.ts';
import { DETACH_KEYS_DEFAULT, parseDetachKeys, rawMode, terminalSize } from './terminal.ts';

export interface AttachPlan {
  readonly id: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys: string;
  readonly logs?: boolean;
}

/** Opens the attach stream; nothing flows to us before `join`. */
export function attach(client: EngineClient, plan: AttachPlan): Promise<Hijacked> {
  const query: Query = {
    stream: true,
    stdin: plan.stdin,
    stdout: plan.stdout,
    stderr: plan.stderr,
    detachKeys: plan.detachKeys,
    logs: plan.logs,
  };
  return client.hijack(`/containers/${plan.id}/attach`, { query });
}

/** Joins our terminal or pipes to the stream until one side is done. */
export async function join(
  stream: Hijacked,
  plan: Pick<AttachPlan, 'tty' | 'stdin' | 'detachKeys'>,
): Promise<JoinEnd> {
  using _raw = plan.tty && plan.stdin ? rawMode() : undefined;
  const keys = parseDetachKeys(plan.detachKeys || DETACH_KEYS_DEFAULT);
  // Awaited here: raw mode must last until the end of the session.
  return await joinStreams(stream, {
    tty: plan.tty,
    stdin: plan.stdin ? process.stdin : undefined,
    stdout: process.stdout,
    stderr: process.stderr,
    ...(plan.tty && plan.stdin ? { detachKeys: keys } : {}),
  });
}

/** docker's refusal when -t is asked of a pipe. */
export function checkTerminal(tty: boolean, stdin: boolean): void {
  if (tty && stdin && process.stdin.isTTY !== true) {
    throw new CliError(1, 'the input device is not a TTY');
  }
}

/** A wait that the server has latched on to; disposing gives it up. */
export interface Waiting extends Disposable {
  /** The exit code. */
  readonly status: Promise<number>;
}

export async function startWait(
  client: EngineClient,
  id: string,
  condition: 'next-exit' | 'removed' | 'not-running',
): Promise<Waiting> {
  const cancel = new AbortController();
  const options = { query: { condition }, signal: cancel.signal };
  const reply = await client.call('POST', `/containers/${id}/wait`, options);
  const status = readText(reply.body).then((text) => {
    const { StatusCode: code, Error: error } = JSON.parse(text) as ContainerWaitReply;
    if (error !== undefined && error !== null) throw new CliError(125, error.Message);
    return code;
  });
  // A failed start ends the process before anybody awaits this.
  status.catch(() => {});
  return { status, [Symbol.dispose]: () => cancel.abort() };
}

/** Signals that only concern us: children of ours, a closed pipe, and what Node reserves. */
const NOT_FORWARDED = new Set(['SIGKILL', 'SIGSTOP', 'SIGCHLD', 'SIGPIPE', 'SIGURG', 'SIGUSR1']);
const FAULTS = new Set(['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGPROF']);

/** Sends every signal that we get to the container, until disposed. */
export function forwardSignals(client: EngineClient, id: string): Disposable {
  const listeners = new Map<NodeJS.Signals, () => void>();
  for (const name of Object.keys(constants.signals) as NodeJS.Signals[]) {
    if (NOT_FORWARDED.has(name) || FAULTS.has(name) || name === 'SIGWINCH') continue;
    const listener = (): void => {
      const query = { signal: name.replace(/^SIG/, '') };
      // The container may have ended in between; then there is nobody to signal.
      client.done('POST', `/containers/${id}/kill`, { query }).catch(() => {});
    };
    try {
      process.on(name, listener);
      listeners.set(name, listener);
    } catch {
      // A signal that this kernel or Node does not let us catch.
    }
  }
  return {
    [Symbol.dispose]: () => {
      for (const [name, listener] of listeners) process.off(name, listener);
    },
  };
}

/** Docker's CLI tries this often, because the process may not be up at the first try. */
const RESIZE_TRIES_MAX = 10;

/**
 * Tells the server our size now and at each SIGWINCH, until disposed. Anew: by another size first,
 * so that the program draws what was drawn when nobody looked; the same size is no SIGWINCH to it.
 */
export function followSize(client: EngineClient, path: string, anew = false): Disposable {
  const stop = new AbortController();
  const resize = async (more = 0): Promise<void> => {
    for (let attempt = 1; attempt <= RESIZE_TRIES_MAX; attempt += 1) {
      if (stop.signal.aborted) return;
      const { height, width } = terminalSize();
      if (height === 0 && width === 0) return;
      try {
        await client.done('POST', `${path}/resize`, {
          query: { h: height + more, w: width + more },
        });
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, attempt * 10).unref());
      }
    }
  };
  const onResize = (): void => void resize();
  if (anew) void resize(1).then(onResize);
  else onResize();
  process.on('SIGWINCH', onResize);
  return {
    [Symbol.dispose]: () => {
      stop.abort();
      process.off('SIGWINCH', onResize);
    },
  };
}

/** True when the container has a terminal; asked only of servers that do not say in the stream. */
export async function hasTerminal(client: EngineClient, id: string): Promise<boolean> {
  const path = `/containers/${encodeURIComponent(id)}/json`;
  const { Config: config } = await client.json<ContainerInspect>('GET', path);
  return config.Tty === true;
}
