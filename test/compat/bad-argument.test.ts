// Arguments that are wrong, given to the docker CLI and to ours before the same engine: both say
// the same, end with the same code, and change nothing. Lines of shell, in a folder with files for
// them; "docker" is either of the two.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const HEX = '0'.repeat(64);
const LINES: readonly string[] = [
  'commit made UPPER',
  'commit made a:b:c',
  'commit nosuch UPPER',
  `commit made x@sha256:${HEX}`,
  'commit nosuch x',
  'tag busybox UPPER',
  'tag UPPER x',
  'tag busybox ""',
  `tag busybox ${HEX}`,
  `tag busybox x@sha256:${HEX}`,
  'import file UPPER',
  'import .',
  'load -i .',
  'run a:b:c',
  'run ""',
  'run --platform nosuch busybox',
  'run --platform linux/amd64/v1/x busybox',
  'run --env-file nosuch busybox',
  'run --env-file . busybox',
  'run --env-file bytes busybox',
  'run -l "a b=c" busybox',
  'run -p [::1:80:80 busybox',
  'run --network bridge --network host busybox',
  "run --mount 'type=bind,\"src=/' busybox",
  'run --cidfile /nosuch/x busybox',
  'run --cidfile file busybox',
  'create --cidfile file busybox',
  'create UPPER',
  'exec "" true',
  'exec -it "" true',
  'exec -it nosuch true',
  'exec -it made true',
  'exec --env-file nosuch made true',
  'inspect ""',
  'inspect -f "{{.Nope}}" made',
  'inspect -f "{{.Nope.X}}" made nosuch',
  'inspect -f "{{.Name}} {{len .Cmd}}" made nosuch',
  'inspect -f "{{len .RepoTags}}" made busybox',
  'network inspect -f "{{.Nope}}" bridge',
  'inspect --size --type network bridge nosuch',
  'network rm ""',
  'volume create --name a b',
  'stop "" nosuch',
  'save --platform nosuch busybox',
  'image inspect --platform nosuch busybox',
  'image rm --platform nosuch busybox',
  'image rm --platform linux/s390x busybox',
  'image prune -f --filter dangling=x',
  'ps -a --format "{{json}}"',
  'ps -a --format "{{.Label}}"',
  'build -t UPPER context',
  'build -t "" context',
  'build --build-arg =x context',
  'build --label =x context',
  'build nosuch',
  'build file',
  'build context',
  'build -f - -',
  '-H 127.0.0.1:1 ps',
  '-H :1 ps',
  '-l nosuch ps',
];

const skip = cannotRun();
let scratch: string;
let daemon: Daemon;

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('arguments-');
  mkdirSync(join(scratch, 'bin'));
  mkdirSync(join(scratch, 'context'));
  symlinkSync(join(ROOT, 'bin/coracle'), join(scratch, 'bin/docker'));
  writeFileSync(join(scratch, 'file'), 'x');
  writeFileSync(join(scratch, 'bytes'), Buffer.from('A=\nB=\xff', 'latin1'));
  daemon = await startDaemon();
  await daemon.ok('create', '--name', 'made', 'busybox');
});
after(async () => {
  if (skip !== false) return;
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

async function outcome(line: string, path: string): Promise<string> {
  const env = { PATH: path, DOCKER_BUILDKIT: '0', DOCKER_CONFIG: join(scratch, 'config') };
  const command = `cd ${scratch}; docker ${line} < /dev/null`;
  const { code, stderr, stdout } = await daemon.run(['sh', '-c', command], { env });
  const said = `${stdout}${stderr}`
    .replaceAll(/\bcoracle\b/g, 'docker')
    // Of the builder that the line names, and of who sends the request.
    .replace(/^DEPRECATED: .*\n.*\n.*variable\.\n\n/, '')
    .replace(/^error during connect: Post "[^"]*": /, '')
    .replace(/\bCoracle daemon\b/, 'Docker daemon');
  return `${said}=> ${code}`;
}

async function everything(): Promise<string> {
  const rows = [
    await daemon.ok('ps', '-aq', '--no-trunc'),
    await daemon.ok('images', '-a', '--format', '{{.ID}} {{.Repository}} {{.Tag}}'),
    await daemon.ok('volume', 'ls', '-q'),
  ];
  return rows.join('\n');
}

test('a wrong argument is refused by both command lines in the same words', { skip }, async (t) => {
  const path = process.env['PATH'] ?? '';
  const found = await everything();
  for (const line of LINES) {
    await t.test(line, async () => {
      const [theirs, ours] = await Promise.all([
        outcome(line, path),
        outcome(line, `${join(scratch, 'bin')}:${path}`),
      ]);
      assert.equal(ours, theirs);
      assert.doesNotMatch(ours, /=> 0$/);
    });
  }
  // A client that does not look at the name itself.
  const tagged = await daemon.api('POST', `/images/busybox/tag?repo=${HEX}&tag=x`);
  assert.equal(tagged.status, 400);
  assert.equal(await everything(), found);
});
