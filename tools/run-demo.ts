// make run: a newcomer's first two minutes. Starts an engine on private paths, runs the main job in
// it with our own command, shows each command and what it printed, checks that each effect was
// there, and leaves nothing. Exit code 1 when anything was not as it should be.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { type PrivateEngine, startEngine } from './private-engine.ts';
import { ROOT } from './source.ts';

const COMMAND_MS_MAX = 60_000;
const SHOWN_LINES_MAX = 24;

type Output = { readonly code: number; readonly text: string; readonly ms: number };

type Scene = {
  /** What the reader is about to see, in a sentence. */
  readonly say: string;
  readonly argv: readonly string[];
  readonly stdin?: string;
  /** The exit code to expect; 0 when absent. */
  readonly code?: number;
  /** Each must be in the output. */
  readonly expect: readonly RegExp[];
  /** What of a long output is shown; all of it (up to a limit) when absent. */
  readonly excerpt?: (lines: readonly string[]) => readonly string[];
};

const LIMITS = [
  'echo "user          $(id -u):$(id -g)"',
  'echo "work dir      $(pwd)"',
  'echo "environment   GREETING=$GREETING"',
  'echo "bind, ro      $(cat /h) $(touch /h 2>&1 | tail -c 22)"',
  'echo "memory        $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)"',
  'echo "cpu quota     $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max)"',
  'echo "processes     $(cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max)"',
  'echo "tmpfs         $(grep " /t " /proc/mounts)"',
  'echo "capabilities  $(grep CapBnd /proc/self/status | cut -f2)"',
  'echo "seccomp       $(grep Seccomp: /proc/self/status | cut -f2)"',
].join('; ');

const OPERATIONS_SHOWN = 3;

/** Of an explanation: each group's heading and its first operations, without the reasons. */
function firstOfEachGroup(lines: readonly string[]): readonly string[] {
  const shown: string[] = [];
  let inGroup = 0;
  for (const line of lines) {
    const heading = /^\/?[A-Z]{2}/.test(line);
    const operation = /^ +\d+ {2}/.test(line);
    if (heading) inGroup = 0;
    if (operation) inGroup += 1;
    if (!operation && !heading && inGroup > 0) continue;
    if (inGroup <= OPERATIONS_SHOWN) shown.push(line);
    else if (inGroup === OPERATIONS_SHOWN + 1 && operation) shown.push('      …');
  }
  return shown;
}

/** Of a network's explanation: what a packet from outside meets, without the reasons. */
function wayIn(lines: readonly string[]): readonly string[] {
  const from = lines.findIndex((line) => line.startsWith('A PACKET FROM OUTSIDE'));
  const to = lines.indexOf('', from);
  const way = lines.slice(from, to < 0 ? undefined : to);
  return way.filter((line, index) => index === 0 || /^ +\d+ {2}\w|^ {18}/.test(line));
}

const SERVE = 'echo "hello from $(hostname -i)" > index.html; exec httpd -f';
/** The server may not listen yet. */
const FETCH = 'until wget -qO- "$0" 2>/dev/null; do sleep 0.05; done';

const LOOP = 'i=0; while true; do i=$((i+1)); echo "beat $i"; sleep 0.2; done';

const SCENES: readonly Scene[] = [
  {
    say: 'The image that every build brings: a static busybox.',
    argv: ['images'],
    expect: [/busybox\s+latest/],
  },
  {
    say: 'A container: own processes, own host name, own root file system.',
    argv: [
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'echo "hello from $(hostname), process $$"; ps; ls /',
    ],
    expect: [/hello from \w+, process 1\b/, /\bproc\b/],
  },
  {
    say: 'Limits and privileges, each as the process inside sees it.',
    argv: [
      'run',
      '--rm',
      '-m',
      '64m',
      '--cpus',
      '0.5',
      '--pids-limit',
      '64',
      '-v',
      '/etc/hostname:/h:ro',
      '--tmpfs',
      '/t',
      '-w',
      '/t',
      '-e',
      'GREETING=hi',
      '-u',
      '1000:1000',
      'busybox',
      'sh',
      '-c',
      LIMITS,
    ],
    expect: [
      /user +1000:1000/,
      /work dir +\/t/,
      /GREETING=hi/,
      /Read-only file system/,
      /memory +67108864/,
      /cpu quota +50000/,
      /processes +64/,
      /tmpfs +tmpfs/,
      /00000000a80425fb/,
      /seccomp +2/,
    ],
  },
  {
    say: 'Standard input goes in, standard output comes out.',
    argv: ['run', '--rm', '-i', 'busybox', 'wc', '-c'],
    stdin: 'seventeen bytes.\n',
    expect: [/17/],
  },
  {
    say: "The exit code is the process's own.",
    argv: ['run', '--rm', 'busybox', 'sh', '-c', 'exit 42'],
    code: 42,
    expect: [],
  },
  {
    say: 'In the background.',
    argv: ['run', '-d', '--name', 'heart', 'busybox', 'sh', '-c', LOOP],
    expect: [/^[0-9a-f]{64}$/m],
  },
  { say: 'It runs.', argv: ['ps'], expect: [/heart/, /Up /] },
  {
    say: 'One more process in the same container.',
    argv: ['exec', 'heart', 'sh', '-c', 'ps; echo done'],
    expect: [/beat|sh -c/, /done/],
  },
  {
    say: 'What it has written so far.',
    argv: ['logs', '--tail', '3', 'heart'],
    expect: [/beat \d+/],
  },
  {
    say: 'How the kernel was asked to make it: every operation, in order, with its time.',
    argv: ['explain', 'heart'],
    expect: [/pivot_root/],
    excerpt: firstOfEachGroup,
  },
  {
    say: 'The same as a plan, before anything runs.',
    argv: ['run', '--dry-run', '-m', '64m', 'busybox', 'true'],
    expect: [/pivot_root/],
    excerpt: firstOfEachGroup,
  },
  { say: 'A network, and a web server on it.', argv: ['network', 'create', 'shop'], expect: [/./] },
  {
    say: '',
    argv: [
      ...['run', '-d', '--name', 'web', '--net', 'shop', '-p', '8080:80'],
      ...['busybox', 'sh', '-c', SERVE],
    ],
    expect: [/^[0-9a-f]{64}$/m],
  },
  {
    say: 'A neighbour finds it by its name.',
    argv: ['run', '--rm', '--net', 'shop', 'busybox', 'sh', '-c', FETCH, 'http://web/'],
    expect: [/hello from 172\./],
  },
  {
    say: 'The host, and whoever reaches the host, by the published port.',
    argv: [
      ...['run', '--rm', '--net', 'host', 'busybox'],
      ...['sh', '-c', FETCH, 'http://localhost:8080/'],
    ],
    expect: [/hello from 172\./],
  },
  {
    say: 'One more port, while it runs.',
    argv: ['port', 'add', 'web', '9090:80'],
    expect: [/80\/tcp -> 0\.0\.0\.0:9090/],
  },
  {
    say: 'What a packet to that port meets, rule by rule, with live counters.',
    argv: ['network', 'explain', 'shop'],
    expect: [/dnat ip to/, /tcp \. 8080 : 172\./, /veth pair/],
    excerpt: wayIn,
  },
  { say: '', argv: ['rm', '-f', 'web'], expect: [/web/] },
  { say: '', argv: ['network', 'rm', 'shop'], expect: [/shop/] },
  { say: 'Pause and go on.', argv: ['pause', 'heart'], expect: [/heart/] },
  { say: '', argv: ['ps'], expect: [/Paused/] },
  { say: '', argv: ['unpause', 'heart'], expect: [/heart/] },
  {
    say: 'Stop: SIGTERM, and SIGKILL when it does not listen.',
    argv: ['stop', '-t', '1', 'heart'],
    expect: [/heart/],
  },
  { say: '', argv: ['ps', '-a'], expect: [/heart/, /Exited \(137\)|Exited \(143\)/] },
  { say: 'Gone, with everything that was its own.', argv: ['rm', 'heart'], expect: [/heart/] },
  { say: '', argv: ['ps', '-a'], expect: [] },
];

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function execute(engine: PrivateEngine, scene: Scene): Promise<Output> {
  const { promise, resolve, reject } = Promise.withResolvers<Output>();
  const startedAt = performance.now();
  const child = spawn(join(ROOT, 'bin/coracle'), scene.argv, {
    env: engine.env,
    timeout: COMMAND_MS_MAX,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stdin.on('error', () => {}); // A command that reads nothing may be gone already.
  child.stdin.end(scene.stdin ?? '');
  child.on('error', reject);
  child.on('close', (code) =>
    resolve({ code: code ?? 255, text, ms: performance.now() - startedAt }),
  );
  return promise;
}

function show(scene: Scene, output: Output): void {
  if (scene.say !== '') process.stdout.write(`\n${styleText('dim', `# ${scene.say}`)}\n`);
  const words = scene.argv.map((word) => quote(word)).join(' ');
  const pipe =
    scene.stdin === undefined
      ? ''
      : `printf ${quote(scene.stdin.replace('\n', String.raw`\n`))} | `;
  process.stdout.write(`${styleText('bold', `$ ${pipe}coracle ${words}`)}\n`);
  const whole = output.text.trimEnd().split('\n');
  const lines = scene.excerpt?.(whole) ?? whole.slice(0, SHOWN_LINES_MAX);
  for (const line of lines) if (output.text !== '') process.stdout.write(`${line}\n`);
  if (lines.length < whole.length) {
    process.stdout.write(styleText('dim', `… ${whole.length} lines in all\n`));
  }
  const code = output.code === 0 ? '' : `, exit code ${output.code}`;
  process.stdout.write(styleText('dim', `(${output.ms.toFixed(0)} ms${code})\n`));
}

/** What of the scene is not as expected, in words. */
function judge(scene: Scene, output: Output): readonly string[] {
  const wanted = scene.code ?? 0;
  return [
    ...(output.code === wanted ? [] : [`exit code ${output.code}, not ${wanted}`]),
    ...scene.expect
      .filter((each) => !each.test(output.text))
      .map((each) => `nothing matches ${each}`),
  ];
}

async function play(engine: PrivateEngine): Promise<number> {
  let failures = 0;
  for (const scene of SCENES) {
    const output = await execute(engine, scene);
    show(scene, output);
    for (const fault of judge(scene, output)) {
      failures += 1;
      process.stdout.write(styleText('red', `FAILED: ${fault}\n`));
    }
  }
  return failures;
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('make run: containers need root for now; try: sudo make run\n');
    return 1;
  }
  await using engine = await startEngine();
  process.stdout.write(
    `Coracle is listening on ${engine.host} (pid ${engine.pid}), all its files are below ${engine.directory}\n`,
  );
  const failures = await play(engine);
  if (failures > 0) process.stdout.write(`\nThe daemon's log ends with:\n${engine.log()}\n`);
  process.stdout.write(
    failures === 0
      ? '\nSeen: images, run, limits and privileges, streams, exit codes, -d, ps, exec, logs, explain,\n' +
          '--dry-run, networks, ports, pause, stop and rm, in real containers. The engine is stopped and its\n' +
          'files are removed.\n' +
          'Next: `bin/coracle run -it --rm busybox sh`, or README.md for the tour with the docker command.\n'
      : `\n${failures} things were not as they should be.\n`,
  );
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
