// The command line that the main job must show, by both clients: every flag of it has its effect,
// seen from inside, and the limits also bite.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

const FLAGS =
  '-m 64m --cpus 0.5 --pids-limit 64 -v /etc/hostname:/h:ro --tmpfs /t -w /t -e A=b ' +
  '-u 1000:1000 --hostname inside';

const THROTTLED_SECONDS_MAX = 20;

const CLIENTS = [
  ['docker', 'docker'],
  ['coracle', join(ROOT, 'bin/coracle')],
] as const;

/** Those of these files that are there: of cgroup v1 or v2. */
const cgroup = (...files: readonly string[]): string =>
  `{ cat ${files.map((file) => `/sys/fs/cgroup/${file}`).join(' ')} 2>/dev/null; true; }`;

for (const [name, program] of CLIENTS) {
  const inside = (script: string): Promise<Result> =>
    daemon.run([program, 'run', '--rm', ...FLAGS.split(' '), 'busybox', 'sh', '-c', script]);
  const says = async (script: string): Promise<string> => {
    const { stdout, stderr, code } = await inside(script);
    assert.equal(code, 0, `${script}: ${stderr}`);
    return stdout.trimEnd();
  };

  test(`${name} run: user, directory, environment and tmpfs are as asked`, { skip }, async () => {
    assert.equal(await says('id -u; id -g; pwd; echo $A; hostname'), '1000\n1000\n/t\nb\ninside');
    assert.equal(
      await says('echo kept > f; cat /t/f; grep -c "^tmpfs /t tmpfs rw" /proc/mounts'),
      'kept\n1',
    );
  });

  test(`${name} run: a bind that is read-only is read and refuses writes`, { skip }, async () => {
    const before = await readFile('/etc/hostname', 'utf8');
    assert.equal(await says('cat /h'), before.trimEnd());
    const { code, stderr } = await inside(': > /h');
    assert.notEqual(code, 0);
    assert.match(stderr, /\/h: Read-only file system/);
    assert.match(await says('grep " /h " /proc/mounts'), / \/h \S+ ro,/);
    assert.equal(await readFile('/etc/hostname', 'utf8'), before);
  });

  test(`${name} run: the limits stand in the container's own cgroup`, { skip }, async () => {
    const memory = cgroup('memory/memory.limit_in_bytes', 'memory.max');
    assert.equal(await says(memory), String(64 * 1024 * 1024));
    const cpu = cgroup('cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us', 'cpu.max');
    assert.match(await says(cpu), /^50000\s100000$/);
    assert.equal(await says(cgroup('pids/pids.max', 'pids.max')), '64');
  });

  test(`${name} run: the limits bite`, { skip }, async () => {
    // Files on a tmpfs are memory; Docker allows as much swap again as there is memory.
    const filled = await inside('dd if=/dev/zero of=/t/big bs=1M count=200 2>/dev/null; echo $?');
    assert.ok(filled.code === 137 || filled.stdout === '137\n', JSON.stringify(filled));
    const forks = '(i=0; while [ $i -lt 100 ]; do sleep 9 & i=$((i + 1)); done) 2>&1; true';
    assert.match(await says(forks), /can't fork: Resource temporarily unavailable/);
    // How soon depends on who else wants the CPU; four spinners get more than half a one at last.
    // (exit: ash would become its last command, and as process 1 that is deaf to the time limit.)
    const throttled = `${cgroup('cpu/cpu.stat', 'cpu.stat')} | grep -q "nr_throttled [1-9]"`;
    await says(
      `for i in 1 2 3 4; do sh -c 'while :; do :; done' & done
      timeout ${THROTTLED_SECONDS_MAX} sh -c 'until { ${throttled}; }; do :; done'; exit $?`,
    );
  });
}
