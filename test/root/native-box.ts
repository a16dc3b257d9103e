// A small container for tests of the C program by itself: busybox in a directory, and its plan.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LaunchPlan, LogPlan, Op } from '#kernel/native/op.ts';

/** The sanitizer build: an overflow ends the process with a report. */
export const NATIVE = new URL('../../build/coracle-native-asan', import.meta.url).pathname;
export const NAMESPACES = 0x0002_0000 | 0x2000_0000 | 0x0800_0000 | 0x0400_0000 | 0x4000_0000;
export const ALL = { stdin: true, stdout: true, stderr: true };

/** `lower` is its root; a monitor may live in `run`. */
export function makeBox(base: string): void {
  for (const name of ['lower/bin', 'lower/etc', 'root', 'run'])
    mkdirSync(join(base, name), { recursive: true });
  writeFileSync(join(base, 'lower/bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
  for (const name of ['sh', 'cat', 'echo', 'sleep', 'id', 'tty', 'stty', 'seq']) {
    symlinkSync('busybox', join(base, 'lower/bin', name));
  }
  writeFileSync(
    join(base, 'lower/etc/passwd'),
    'root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:\n',
  );
  writeFileSync(
    join(base, 'lower/etc/group'),
    // One line as Windows ends it.
    'bob:x:1000:\nextra:x:2000:alice,bob\r\nmore:x:3000:bobby\n',
  );
}

export type Wish = {
  readonly argv: readonly string[];
  readonly tty?: boolean;
  readonly user?: string;
  readonly init?: readonly Op[];
  readonly reaper?: number;
  readonly log?: Partial<Extract<LogPlan, { driver: 'json-file' }>>;
};

export function boxPlan(base: string, wish: Wish): LaunchPlan {
  const terminal: readonly Op[] = wish.tty
    ? [{ op: 'terminal', height: 24, width: 80 }, { op: 'console' }]
    : [];
  return {
    stdio: { tty: wish.tty ?? false, stdin: 'once' },
    log: { driver: 'json-file', path: join(base, 'log'), maxBytes: 0, maxFiles: 1, ...wish.log },
    host: [{ op: 'root_bind', path: join(base, 'lower') }],
    join: [],
    cloneFlags: NAMESPACES,
    init: [
      { op: 'propagation', flags: 0x84000 },
      { op: 'root_attach', directory: join(base, 'root') },
      { op: 'mount', fstype: 'proc', source: 'proc', target: '/proc', attr: 0xe, options: [] },
      {
        op: 'mount',
        fstype: 'tmpfs',
        source: 'tmpfs',
        target: '/dev',
        attr: 2,
        options: ['mode=755'],
      },
      {
        op: 'mount',
        fstype: 'devpts',
        source: 'devpts',
        target: '/dev/pts',
        attr: 0xa,
        options: ['ptmxmode=0666'],
      },
      { op: 'node', path: '/dev/null', mode: 0o020666, major: 1, minor: 3, uid: 0, gid: 0 },
      ...terminal,
      ...(wish.init ?? []),
      { op: 'pivot_root' },
      { op: 'lookup_user', user: wish.user ?? '', groups: [] },
      { op: 'workdir', path: '/', create: 0 },
      { op: 'ready' },
      { op: 'set_user', keep: 0 },
      { op: 'exec', argv: wish.argv, env: ['PATH=/bin'], reaper: wish.reaper ?? 0 },
    ],
    teardown: [{ op: 'read', path: '/proc/self/comm', limit: 100 }],
  };
}

export async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('latin1');
}

/** The payload of frames with the 8-byte header. */
export function payload(framed: string, wanted: number): string {
  let text = '';
  for (let at = 0; at < framed.length; ) {
    const length = Buffer.from(framed.slice(at + 4, at + 8), 'latin1').readUInt32BE(0);
    if (framed.charCodeAt(at) === wanted) text += framed.slice(at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text;
}
