// attach: a client on a container's streams. May come before start; then it waits.
import type { Duplex } from 'node:stream';
import { AttachStream } from './attach-stream.ts';
import type { Deps } from './deps.ts';
import { DetachScanner, parseDetachKeys } from './detach-keys.ts';
import type { AttachSession, AttachWish } from './engine.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { parseLogConfig } from './log-config.ts';
import { logs } from './logs.ts';
import { onTask } from './pause.ts';
import type { ContainerRecord } from './record.ts';

export async function attach(
  deps: Deps,
  ref: string,
  wish: AttachWish,
  signal: AbortSignal,
): Promise<AttachSession> {
  const { id } = deps.store.get(ref);
  const keys = parseDetachKeys(wish.detachKeys);
  // Under the lock, so that a start in flight is seen either wholly or not at all.
  using _lock = await deps.locks.acquireForStart(id);
  const record = deps.store.get(id);
  guard(record, 'attach', ref);
  const { tty, openStdin } = record.spec.config;
  const stream = new AttachStream({
    streams: { stdin: wish.stdin && openStdin, stdout: wish.stdout, stderr: wish.stderr },
    scanner: tty ? new DetachScanner(keys) : undefined,
    onDetach: () => publish(deps, record, 'detach'),
  });
  signal.addEventListener('abort', () => stream.destroy(), { once: true });
  // The client went while a start was waited for; what it does not read would hold the program up.
  signal.throwIfAborted();
  const live = deps.lives.of(id);
  const runs = isRunning(record.state);
  const inner =
    wish.stream && runs ? await onTask(deps, id, (task) => task.attach(stream.streams)) : undefined;
  if (wish.stream && !runs) {
    live.attachments.add(stream);
    live.ahead?.join(stream);
    stream.on('close', () => live.attachments.delete(stream));
  }
  publish(deps, record, 'attach');
  serve(deps, record, wish, stream, inner, signal);
  return { stream, tty };
}

/** The past first, then the present; the stream is in the client's hands by now. */
function serve(
  deps: Deps,
  record: ContainerRecord,
  wish: AttachWish,
  stream: AttachStream,
  inner: Duplex | undefined,
  signal: AbortSignal,
): void {
  const present = (): void => {
    if (inner !== undefined) stream.connect(inner);
    else if (!wish.stream) stream.finish();
  };
  const logged = parseLogConfig(record.spec.host.logConfig, deps.settings.logConfig);
  if (!wish.logs || logged.file.maxFiles === 0 || (!wish.stdout && !wish.stderr)) {
    present();
    return;
  }
  const past = logs(
    deps,
    record.id,
    {
      stdout: wish.stdout,
      stderr: wish.stderr,
      follow: false,
      timestamps: false,
      details: false,
      since: undefined,
      until: undefined,
      tail: undefined,
    },
    signal,
  );
  stream.replay(past.chunks).then(present, (error: unknown) => {
    deps.report(`read the log of ${record.id} for an attached client`, error);
    present();
  });
}
