// `--link` on a default bridge whose containers may not talk (--icc=false), with packets: it opens
// what the other one exposes, to the one that was linked and to nobody else, as long as both run.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  makeEngineDirectory,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { cannotRun } from '../daemon.ts';

const skip = cannotRun();
const execute = promisify(execFile);
const REPAIR_MS_MAX = 5_000;
const POLL_MS = 50;

const serve =
  'mkdir /w; echo web > /w/index.html; httpd -p 80 -h /w; httpd -p 81 -h /w; exec sleep 1000';

for (const backend of ['nftables', 'iptables'] as const) {
  test(`${backend}: a link opens what is exposed, where neighbours may not talk`, {
    skip,
  }, async () => {
    const flags = ['--icc=false', `--firewall-backend=${backend}`];
    const directory = makeEngineDirectory();
    const first = await startEngine({ directory, flags });
    await using end = new AsyncDisposableStack();
    end.defer(() => removeEngineDirectory(directory));
    let engine = end.use(first);
    const docker = (...argv: readonly string[]): string =>
      execFileSync('docker', argv, { env: first.env, encoding: 'utf8', timeout: 30_000 }).trim();
    const ipOf = (name: string): string =>
      docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', name);
    /** Whether a connection is made; what is dropped takes the second that it is waited for. */
    const reaches = async (from: string, ip: string, port: number): Promise<boolean> => {
      const ask = `nc -w 1 ${ip} ${port} </dev/null >/dev/null 2>&1 && echo yes || echo no`;
      const argv = ['exec', from, 'sh', '-c', ask];
      return (await execute('docker', argv, { env: first.env })).stdout === 'yes\n';
    };
    /** Of addresses of containers alone: a subnet has a length. */
    const rules = (): string => {
      const list = backend === 'nftables' ? ['nft', 'list', 'ruleset'] : ['iptables-save'];
      const text = execFileSync('nsenter', [`--net=${first.namespace}`, ...list], {
        encoding: 'utf8',
      });
      const some = backend === 'nftables' ? /set linked4 \{[\s\S]*?\n\t\}/ : /^.*-LINK -s .*$/m;
      return some.exec(text)?.[0] ?? '';
    };
    const run = (name: string, ...argv: readonly string[]): string =>
      docker('run', '-d', '--name', name, ...argv);
    /** Resolves when both of its servers listen: what starts them becomes the sleep then. */
    const serves = (name: string): string =>
      docker('exec', name, 'sh', '-c', 'until grep -q sleep /proc/1/comm; do :; done');
    try {
      run('db', '--expose', '80', 'busybox', 'sh', '-c', serve);
      run('web', '--link', 'db:data', '--link', 'db', 'busybox', 'sh', '-c', serve);
      run('other', 'busybox', 'sleep', '1000');
      for (const name of ['db', 'web']) serves(name);
      const db = ipOf('db');
      const reached = await Promise.all([
        reaches('web', db, 80),
        reaches('web', 'data', 80),
        reaches('web', db, 81),
        reaches('other', db, 80),
        reaches('db', ipOf('web'), 80),
      ]);
      // Not what is not exposed, not by who was not linked, and not the other way.
      assert.deepEqual(reached, [true, true, false, false, false]);

      // Somebody flushes it, and the daemon is killed.
      const flush = backend === 'nftables' ? ['nft', 'flush', 'ruleset'] : ['iptables', '-F'];
      execFileSync('nsenter', [`--net=${first.namespace}`, ...flush]);
      const deadline = performance.now() + REPAIR_MS_MAX;
      while (!rules().includes(db) && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      assert.ok(await reaches('web', db, 80), 'the rule is back');
      await engine.kill('SIGKILL');
      engine = end.use(await startEngine({ directory, flags }));
      assert.ok(await reaches('web', db, 80), 'the next daemon keeps it');

      // Either container comes again with another address: the rule follows.
      run('between', 'busybox', 'sleep', '1000');
      docker('stop', '-t', '0', 'db');
      assert.ok(!rules().includes(db), rules());
      run('taker', 'busybox', 'sleep', '1000');
      docker('start', 'db');
      serves('db');
      assert.ok(await reaches('web', ipOf('db'), 80));
      docker('restart', '-t', '0', 'web');
      assert.ok(await reaches('web', ipOf('db'), 80));
      docker('network', 'disconnect', 'bridge', 'db');
      assert.doesNotMatch(rules(), /172\.17/);
      docker('network', 'connect', 'bridge', 'db');
      assert.ok(await reaches('web', ipOf('db'), 80));
      docker('rm', '--link', 'web/db');
      assert.ok(await reaches('web', ipOf('db'), 80), 'it has the other name still');
      docker('rm', '--link', 'web/data');
      assert.doesNotMatch(rules(), /172\.17/);
      assert.ok(!(await reaches('web', ipOf('db'), 80)));
    } finally {
      const ids = docker('ps', '-aq').split('\n');
      docker('rm', '-f', ...ids);
    }
  });
}
