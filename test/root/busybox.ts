// A root file system of one static busybox, and containers in it through the runtime alone: no
// image, no network, no daemon. For the root tests of the runtime.
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { NativeAgent } from '#kernel/native/agent.ts';
import { connectMonitor } from '#kernel/native/monitor.ts';
import type { Box } from '#runtime/box.ts';
import type { ExecRequest } from '#runtime/exec.ts';
import { type HostFacts, readHostFacts } from '#runtime/facts.ts';
import { type BoxRuntime, createRuntime } from '#runtime/runtime.ts';
import type { Task, TaskExit } from '#runtime/task.ts';
import { type BoxChange, boxWith, PLAIN_BOX } from '#runtime/testing-box.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';

const BUSYBOX = '/bin/busybox';
const APPLETS = [
  'sh',
  'cat',
  'ls',
  'id',
  'mount',
  'umount',
  'hostname',
  'ip',
  'true',
  'false',
  'grep',
  'sleep',
  'env',
  'stat',
  'ps',
  'touch',
  'rm',
  'mkdir',
  'mknod',
  'kill',
  'echo',
  'tty',
  'stty',
  'head',
  'dd',
  'readlink',
  'printf',
  'chroot',
  'pwd',
  'wc',
  'sort',
  'cut',
  'unshare',
  'nsenter',
  'ulimit',
  'test',
];

export type Ran = { readonly out: string; readonly err: string; readonly exit: TaskExit };

/** A busybox root, the directories of containers in it, and a runtime; removed when disposed. */
export class BusyboxHost implements AsyncDisposable {
  readonly directory = makeScratch('runtime-');
  readonly agent = new NativeAgent(NATIVE);
  readonly facts: HostFacts = readHostFacts();
  readonly runtime: BoxRuntime;
  readonly lower: string;
  readonly parent = `/${basename(this.directory)}`;
  #count = 0;

  constructor() {
    this.runtime = createRuntime({ agent: this.agent, connectMonitor }, this.facts);
    this.lower = join(this.directory, 'lower');
    for (const name of ['bin', 'etc', 'root', 'tmp']) {
      mkdirSync(join(this.lower, name), { recursive: true });
    }
    copyFileSync(BUSYBOX, join(this.lower, 'bin/busybox'));
    for (const applet of APPLETS) symlinkSync('busybox', join(this.lower, 'bin', applet));
    writeFileSync(
      join(this.lower, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n',
    );
    writeFileSync(join(this.lower, 'etc/group'), 'root:x:0:\napp:x:1000:\naudio:x:29:app\n');
  }

  /** A box of its own writable top; `script` is what its shell does. */
  box(script: string, change: BoxChange = {}): Box {
    this.#count += 1;
    const id = `t${process.pid}x${this.#count}`;
    const own = join(this.directory, id);
    for (const name of ['upper', 'work', 'run']) mkdirSync(join(own, name), { recursive: true });
    for (const name of ['hosts', 'hostname', 'resolv.conf']) {
      writeFileSync(join(own, name), `${name}\n`);
    }
    return boxWith({
      id,
      root: {
        readonly: change.root?.readonly ?? false,
        mount: {
          kind: 'overlay',
          lower: [this.lower],
          upper: join(own, 'upper'),
          work: join(own, 'work'),
        },
      },
      files: {
        hosts: join(own, 'hosts'),
        hostname: join(own, 'hostname'),
        resolvConf: join(own, 'resolv.conf'),
      },
      cgroup: { parent: this.parent, resources: change.cgroup?.resources ?? {} },
      ...withoutMerged(change),
      process: { argv: ['sh', '-c', script], ...change.process },
    });
  }

  runDirectory(box: Box): string {
    return join(this.directory, box.id, 'run');
  }

  async launch(box: Box): Promise<Task> {
    return this.runtime.launch(box, this.runDirectory(box));
  }

  /** Runs to the end and gives all of its output. */
  async run(script: string, change: BoxChange = {}): Promise<Ran> {
    const task = await this.launch(this.box(script, change));
    const tty = change.process?.stdio?.tty ?? false;
    const output = collect(await task.attach({ stdin: false, stdout: true, stderr: true }), tty);
    await task.go();
    const [texts, exit] = await Promise.all([output, task.exited]);
    await task.close();
    return { ...texts, exit };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { hierarchies, unified } = this.facts.cgroups;
    try {
      for (const { mountpoint } of [...hierarchies, ...(unified === undefined ? [] : [unified])]) {
        await this.agent.perform([{ op: 'cgroup_rmdir', path: join(mountpoint, this.parent) }]);
      }
    } finally {
      // A test that failed may have left what runs.
      await this.agent[Symbol.asyncDispose]();
      removeScratch(this.directory);
    }
  }
}

function withoutMerged(change: BoxChange): BoxChange {
  const { root: _root, cgroup: _cgroup, process: _process, ...rest } = change;
  return rest;
}

/** The two outputs, from frames (engine-api.md, "Framing") or raw bytes of a terminal. */
export async function collect(
  stream: Duplex,
  tty: boolean,
): Promise<{ readonly out: string; readonly err: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const data = Buffer.concat(chunks);
  if (tty) return { out: data.toString('utf8'), err: '' };
  const texts = ['', '', ''];
  for (let at = 0; at + 8 <= data.length; ) {
    const kind = data[at] ?? 0;
    const length = data.readUInt32BE(at + 4);
    texts[kind] += data.toString('utf8', at + 8, at + 8 + length);
    at += 8 + length;
  }
  return { out: texts[1] ?? '', err: texts[2] ?? '' };
}

/** What a terminal shows up to some text; the rest of it can be collected then. */
export async function readUntil(stream: Duplex, text: string): Promise<string> {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (Buffer.concat(chunks).includes(text)) resolve();
  });
  stream.resume();
  await promise;
  stream.removeAllListeners('data');
  return Buffer.concat(chunks).toString();
}

/** `exec` of a shell script in a running task. */
export async function execScript(
  task: Task,
  script: string,
  change: Partial<ExecRequest> = {},
): Promise<{ readonly out: string; readonly err: string; readonly exitCode: number }> {
  const request: ExecRequest = {
    argv: ['sh', '-c', script],
    env: PLAIN_BOX.process.env,
    cwd: '/',
    user: '',
    groups: [],
    privileged: false,
    stdio: { tty: false, stdin: 'none' },
    consoleSize: undefined,
    ...change,
  };
  const id = `e${Math.random().toString(16).slice(2)}`;
  const session = await task.exec(id, request, { stdin: false, stdout: true, stderr: true });
  const texts = await collect(session.stream, request.stdio.tty);
  return { ...texts, exitCode: (await session.exit).exitCode };
}
