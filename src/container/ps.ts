// The table that `ps -ef` prints, from /proc, for a given list of pids. Parsing is pure.
import { readFileSync } from 'node:fs';
import { now } from '#base/clock.ts';

/** Ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux that Node runs on (proc(5)). */
const USER_HZ = 100;
export const PS_TITLES = ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'] as const;

export type PsFacts = {
  /** Seconds since 1970 at which the host booted. */
  readonly bootSeconds: number;
  readonly nowSeconds: number;
  readonly userOf: (uid: number) => string;
};

export function psRows(pids: readonly number[]): readonly (readonly string[])[] {
  const facts = readFacts();
  const rows: (readonly string[])[] = [];
  for (const pid of pids.toSorted((a, b) => a - b)) {
    const row = psRow(pid, facts);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** undefined for a process that has ended meanwhile. */
function psRow(pid: number, facts: PsFacts): readonly string[] | undefined {
  try {
    return formatRow(
      {
        stat: readFileSync(`/proc/${pid}/stat`, 'utf8'),
        status: readFileSync(`/proc/${pid}/status`, 'utf8'),
        cmdline: readFileSync(`/proc/${pid}/cmdline`, 'utf8'),
      },
      facts,
    );
  } catch {
    return undefined;
  }
}

export function formatRow(
  texts: { readonly stat: string; readonly status: string; readonly cmdline: string },
  facts: PsFacts,
): readonly string[] {
  // The name is in parentheses and may hold any character but NUL, so read from its last ")".
  const open = texts.stat.indexOf('(');
  const close = texts.stat.lastIndexOf(')');
  const pid = texts.stat.slice(0, open).trim();
  const name = texts.stat.slice(open + 1, close);
  const fields = texts.stat.slice(close + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  const uid = Number(/^Uid:\s+\d+\s+(\d+)/m.exec(texts.status)?.[1] ?? 0);
  const cpuSeconds = (field(14) + field(15)) / USER_HZ;
  const startSeconds = facts.bootSeconds + field(22) / USER_HZ;
  const age = Math.max(1, facts.nowSeconds - startSeconds);
  const command = texts.cmdline.replace(/\0+$/, '').replaceAll('\0', ' ');
  return [
    facts.userOf(uid),
    pid,
    String(field(4)),
    String(Math.min(99, Math.floor((cpuSeconds * 100) / age))),
    formatStart(startSeconds, facts.nowSeconds),
    formatTty(field(7)),
    formatDuration(cpuSeconds),
    command === '' ? `[${name}]` : command,
  ];
}

/** "05:16" today, "Nov24" this year, else the year, in the host's time zone, as ps does. */
function formatStart(seconds: number, nowSeconds: number): string {
  const start = new Date(seconds * 1000);
  const today = new Date(nowSeconds * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (nowSeconds - seconds < 86_400 && start.getDate() === today.getDate()) {
    return `${two(start.getHours())}:${two(start.getMinutes())}`;
  }
  if (start.getFullYear() !== today.getFullYear()) return String(start.getFullYear());
  const month = start.toLocaleString('en-US', { month: 'short' });
  return `${month}${two(start.getDate())}`;
}

/** Major 136..143 are pts (devices.txt); 4 is the console's terminals. */
function formatTty(number: number): string {
  if (number === 0) return '?';
  const major = (number >> 8) & 0xfff;
  const minor = (number & 0xff) | ((number >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  return '?';
}

function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

function readFacts(): PsFacts {
  const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  const users = parsePasswd(readFile('/etc/passwd'));
  return {
    bootSeconds: Number(boot ?? 0),
    nowSeconds: Number(now() / 1_000_000_000n),
    userOf: (uid) => users.get(uid) ?? String(uid),
  };
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Without names there are numbers.
    return '';
  }
}

function parsePasswd(text: string): ReadonlyMap<number, string> {
  const users = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , uid] = line.split(':');
    if (name === undefined || uid === undefined || users.has(Number(uid))) continue;
    users.set(Number(uid), name);
  }
  return users;
}
