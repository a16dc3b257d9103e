// The units that `make install` puts in place, under a real systemd that is the first process of
// its machine, on cgroup v2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cannotBoot } from '../uml.ts';
import { type Answers, cannotMake, runUnderSystemd } from './machine.ts';

const BOOT_MS_MAX = 180_000;
const PLACE = '--network none busybox';

/** A request that comes while systemd ends the old daemon and starts the new one waits for it. */
const STEPS = [
  ['enable', 'systemctl enable --now coracle.socket; systemctl is-active coracle.service'],
  ['first', 'coracle version --format "{{.Server.Version}}"; systemctl is-active coracle.service'],
  ['run', `coracle run --rm -m 64m ${PLACE} sh -c "echo hello; cat /proc/self/cgroup"`],
  ['start', `coracle run -d --name heart -m 64m ${PLACE} sleep 1000`],
  ['limit', 'cat /sys/fs/cgroup/coracle/*/memory.max'],
  ['restart', 'systemctl restart coracle.service; coracle exec heart echo beats'],
  ['stop', 'systemctl stop coracle.service 2>/dev/null; systemctl is-active coracle.service'],
  ['running', 'pgrep -x sleep | wc -l'],
  ['again', 'coracle exec heart echo beats; systemctl is-active coracle.service'],
  ['kill', 'systemctl kill --kill-who=main -s KILL coracle.service; coracle exec heart echo beats'],
  ['killed', 'systemctl show -P NRestarts coracle.service'],
  ['reload', 'systemctl reload coracle.service; journalctl -u coracle --no-pager'],
  [
    'journal',
    `coracle run --name told --log-driver journald ${PLACE} sh -c "echo out; echo err >&2"; ` +
      'coracle rm told; sleep 1; journalctl --no-pager -o cat -p err CONTAINER_NAME=told; ' +
      'journalctl --no-pager -o verbose CONTAINER_NAME=told MESSAGE=out',
  ],
  ['reread', 'systemctl daemon-reload; cat /sys/fs/cgroup/coracle/*/memory.max'],
  ['remove', 'coracle rm -f heart; ls /sys/fs/cgroup/coracle | grep -cE "^[0-9a-f]{64}$"'],
  ['socket', 'stat -c "%a %U %G" /run/coracle/coracle.sock'],
] as const;

test('under systemd', { skip: cannotBoot() || cannotMake() }, async (t) => {
  let answers: Answers;
  try {
    answers = await runUnderSystemd(STEPS, { msMax: BOOT_MS_MAX });
  } catch (error) {
    if (!String(error).includes('mmdebstrap')) throw error;
    t.skip(`mmdebstrap could not make a root file system: ${String(error).slice(0, 500)}`);
    return;
  }
  const said = (name: (typeof STEPS)[number][0]): string => {
    const text = answers.steps.get(name);
    return text ?? assert.fail(`${name} was not reached:\n${answers.console}`);
  };

  await t.test('the socket is there before the daemon, and the first request starts it', () => {
    assert.match(said('enable'), /inactive$/);
    assert.match(said('first'), /^\d+\.\d+\.\d+\nactive$/);
    assert.match(said('socket'), /^660 root (docker|coracle|root)$/);
  });
  await t.test('containers run with their limits', () => {
    assert.match(said('run'), /^hello\n0::\/$/);
    assert.match(said('start'), /^[0-9a-f]{64}$/);
    assert.equal(said('limit'), String(64 * 1024 * 1024));
    assert.equal(said('reread'), String(64 * 1024 * 1024), 'after systemctl daemon-reload');
  });
  await t.test('a container outlives a restart and a stop of the service', () => {
    assert.equal(said('restart'), 'beats');
    assert.equal(said('stop'), 'inactive');
    assert.equal(said('running'), '1');
    assert.equal(said('again'), 'beats\nactive');
  });
  await t.test('systemd starts a killed daemon again, and the container is still there', () => {
    assert.equal(said('kill'), 'beats');
    assert.equal(said('killed'), '1');
  });
  await t.test('reload reads the configuration again', () => {
    assert.match(said('reload'), /"msg":"configuration reloaded"/);
  });
  await t.test('the journal gets the lines of a container, with what it is', () => {
    assert.match(said('journal'), /^out\nerr\ntold\nerr\n/);
    assert.match(said('journal'), /\n {4}IMAGE_NAME=busybox\n/);
    assert.match(said('journal'), /\n {4}CONTAINER_ID_FULL=[0-9a-f]{64}\n/);
  });
  await t.test('nothing is left when the container is removed', () => {
    assert.equal(said('remove'), 'heart\n0');
  });
});
