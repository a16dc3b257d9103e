// logs: the lines of a container's log as the API's frames (8-byte header, or raw with a tty).
import { formatTime, parseTime } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import type { LogWish } from './engine.ts';
import { isRunning } from './guard.ts';
import { parseLogConfig } from './log-config.ts';
import { type FollowUntil, readLines } from './log-file.ts';
import { pathsOf } from './make-box.ts';

export type LogEntry = {
  readonly stream: 'stdout' | 'stderr';
  readonly log: string;
  readonly time: string;
  readonly attributes: Readonly<Record<string, string>>;
};

type LogDeps = Pick<Deps, 'store' | 'lives' | 'settings'>;

export function logs(
  deps: LogDeps,
  ref: string,
  wish: LogWish,
  signal: AbortSignal,
): { readonly tty: boolean; readonly chunks: AsyncIterable<Uint8Array> } {
  if (!wish.stdout && !wish.stderr) {
    throw new EngineError('invalid_argument', 'You must choose at least one stream');
  }
  const record = deps.store.get(ref);
  const { status } = record.state;
  if (status === 'removing' || status === 'dead') {
    throw new EngineError(
      'conflict',
      'can not get logs from container which is dead or marked for removal',
    );
  }
  const { file } = parseLogConfig(record.spec.host.logConfig, deps.settings.logConfig);
  if (file.maxFiles === 0) {
    const text = 'configured logging driver does not support reading';
    throw new EngineError('not_implemented', text);
  }
  const { tty } = record.spec.config;
  const { log } = pathsOf(deps.store.directory(record.id), record.id);
  const follows = wish.follow && (isRunning(record.state) || status === 'restarting');
  const follow = follows ? followOf(deps, record.id, signal) : undefined;
  return { tty, chunks: frames(log, wish, tty, follow) };
}

/** Until the container stops; a start by its restart policy does not end it. */
function followOf(deps: LogDeps, id: string, signal: AbortSignal): FollowUntil {
  const going = (): boolean => {
    const record = deps.store.find(id);
    return (
      record !== undefined && (isRunning(record.state) || record.state.status === 'restarting')
    );
  };
  return {
    signal,
    ended: () => !going(),
    onEnd: (wake) => {
      // The reader may be done before the container: --until.
      const done = new AbortController();
      const listen = (): void => {
        deps.lives
          .of(id)
          .exited.next(done.signal)
          .then(
            () => {
              wake();
              if (going()) listen();
            },
            () => {},
          );
      };
      listen();
      return () => done.abort();
    },
  };
}

async function* frames(
  path: string,
  wish: LogWish,
  tty: boolean,
  follow: FollowUntil | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const lines of readLines(path, { tail: wish.tail, follow })) {
    const parts: Buffer[] = [];
    let over = false;
    for (const line of lines) {
      const entry = parseEntry(line);
      if (entry === undefined) continue;
      const verdict = select(entry, wish);
      if (verdict === 'over') over = true;
      if (verdict === 'take') parts.push(frame(entry, wish, tty));
    }
    if (parts.length > 0) yield Buffer.concat(parts);
    if (over) return;
  }
}

/** A line of the file; undefined for one that a power cut has broken. */
export function parseEntry(line: Buffer): LogEntry | undefined {
  if (line.length === 0) return undefined;
  try {
    const entry: unknown = JSON.parse(line.toString('utf8'));
    if (typeof entry !== 'object' || entry === null) return undefined;
    const { log, stream, time, attrs } = entry as Record<string, unknown>;
    if (typeof log !== 'string' || typeof time !== 'string') return undefined;
    const attributes = typeof attrs === 'object' && attrs !== null ? attrs : {};
    return {
      log,
      time,
      stream: stream === 'stderr' ? 'stderr' : 'stdout',
      attributes: attributes as LogEntry['attributes'],
    };
  } catch {
    return undefined;
  }
}

/** `over`: lines are in order of time, so none after this one is wanted. */
function select(entry: LogEntry, wish: LogWish): 'take' | 'skip' | 'over' {
  if (wish.since !== undefined || wish.until !== undefined) {
    const time = parseTime(entry.time);
    if (time === undefined) return 'skip';
    if (wish.until !== undefined && time > wish.until) return 'over';
    if (wish.since !== undefined && time < wish.since) return 'skip';
  }
  return (entry.stream === 'stdout' ? wish.stdout : wish.stderr) ? 'take' : 'skip';
}

const HEADER_BYTES = 8;
const STREAM_NUMBER = { stdout: 1, stderr: 2 } as const;

function frame(entry: LogEntry, wish: LogWish, tty: boolean): Buffer {
  const details = wish.details ? `${detailsOf(entry)} ` : '';
  const stamp = wish.timestamps ? `${fixedTime(entry.time)} ` : '';
  const text = Buffer.from(`${stamp}${details}${entry.log}`, 'utf8');
  if (tty) return text;
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = STREAM_NUMBER[entry.stream];
  header.writeUInt32BE(text.length, 4);
  return Buffer.concat([header, text]);
}

/** As Docker writes them for --details: sorted, escaped as in a query. */
function detailsOf({ attributes }: LogEntry): string {
  return Object.entries(attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join(',');
}

/** Docker shows all nine digits here, so that columns line up (log.RFC3339NanoFixed). */
function fixedTime(text: string): string {
  const time = parseTime(text);
  if (time === undefined) return text;
  const [base = ''] = formatTime(time).split(/[.Z]/, 1);
  return `${base}.${String(time % 1_000_000_000n).padStart(9, '0')}Z`;
}
