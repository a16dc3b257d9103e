// A program of the host that runs confined (native/confine.c): what it can reach, its limits, and
// its end.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { startConfined } from '#kernel/native/confine.ts';
import { NATIVE } from './native-path.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const directory = mkdtempSync(join(tmpdir(), 'coracle-confine-'));
const FILE_BYTES = 1_000_000;
const MEMORY_BYTES = 256 * 1024 ** 2;
after(() => rmSync(directory, { recursive: true }));

type Result = { readonly code: number; readonly stdout: string; readonly stderr: string };

function start(script: string): ReturnType<typeof startConfined> {
  return startConfined(NATIVE, {
    argv: ['/bin/sh', '-c', script],
    directory,
    env: { PATH: '/usr/bin:/bin', WORD: 'of the environment' },
    fileBytesMax: FILE_BYTES,
    memoryBytesMax: MEMORY_BYTES,
  });
}

async function run(script: string): Promise<Result> {
  const { ended, stderr, stdout } = start(script);
  const [out, err, code] = await Promise.all([text(stdout), text(stderr), ended]);
  return { code, stdout: out.trim(), stderr: err.trim() };
}

test('it is nobody, without powers, groups or other processes', { skip }, async () => {
  const { stdout } = await run(
    'id; echo $$ $WORD; ls -d /proc/[0-9]*; grep -E "^(Cap[EPA]|No)" /proc/self/status',
  );
  assert.match(stdout, /^uid=2147418112 gid=2147418112 groups=2147418112$/m);
  assert.match(stdout, /^1 of the environment$/m);
  assert.equal(stdout.match(/^\/proc\/\d+$/gm)?.length, 1, stdout);
  assert.match(stdout, /^NoNewPrivs:\t1$/m);
  assert.equal(stdout.match(/^Cap\w+:\t0+$/gm)?.length, 3, stdout);
});

test('only its directory can be written, and nothing there can be run', { skip }, async () => {
  for (const path of ['/var/tmp', '/dev/shm', '/run', '/etc', '/']) {
    const { code, stderr } = await run(`echo x >${join(path, 'coracle-confine-x')}`);
    assert.notEqual(code, 0, path);
    assert.match(stderr, /Read-only|denied|nonexistent|Directory/i, path);
  }
  const { code, stderr } = await run('cp /bin/true /tmp/t && chmod 755 /tmp/t && /tmp/t');
  assert.equal(code, 126);
  assert.match(stderr, /denied/);
  assert.ok(existsSync(join(directory, 't')));
});

test('a file and memory have a limit', { skip }, async () => {
  const large = await run('head -c 5000000 /dev/zero >/tmp/large; echo $?');
  assert.equal(large.stdout, '153', 'SIGXFSZ');
  const memory = await run('head -c 600000000 /dev/zero | tail -c 599999999 | wc -c');
  assert.notEqual(memory.stdout, '599999999');
});

test('its code is told, and what it leaves running ends with it', { skip }, async () => {
  assert.equal((await run('sleep 1000 & exit 7')).code, 7);
  assert.equal((await run('exec /nothing/there')).code, 127);
  const { code, stderr } = await run('sh -c "kill -9 \\$\\$"; exit $?');
  assert.equal(code, 137, stderr);
  assert.deepEqual(left(), []);
});

test('stopped, all of it is gone when its end is told', { skip }, async () => {
  const { ended, stdout, stop } = start(
    'trap "" TERM INT HUP; (trap "" TERM; sleep 1000) & echo up; wait',
  );
  for await (const chunk of stdout) {
    assert.equal(String(chunk), 'up\n');
    stop();
    break;
  }
  assert.equal(await ended, 137);
  assert.deepEqual(left(), []);
});

/** Processes of its user that have our directory: builds of other tests have the same user. */
function left(): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      if (!/^Uid:\t2147418112\t/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return false;
      return readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(directory);
    } catch {
      return false; // ended meanwhile
    }
  });
}
