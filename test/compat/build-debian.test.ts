// Real projects on a base of Debian's packages: a C program that is compiled in one stage and alone
// in the other, an nginx site that is made by a script, a Python web application with its tests run
// on the way. Each runs afterwards, and answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotRun, type Daemon, runProgram, startDaemon } from '../daemon.ts';
import { archiveOf, PACKAGES } from '../fixture/debian.ts';
import { NpmRelay, registryAnswers } from '../fixture/npm-relay.ts';

const READY_MS_MAX = 15_000;
const BUILD_MS_MAX = 120_000;
const POLL_MS = 50;
const hasTool = spawnSync('mmdebstrap', ['--version']).status === 0;
const skip = cannotRun() || (hasTool ? false : 'needs mmdebstrap');
let directory = '';
let archive = '';
let daemon: Daemon;
/** Why there is no image here, though the programs are there: no mirror, as a rule. */
let noImage: string | undefined;

before(async () => {
  if (skip !== false) return;
  try {
    archive = await archiveOf(PACKAGES);
  } catch (error) {
    noImage = `mmdebstrap could not make an image: ${String(error).trim().replaceAll('\n', '; ')}`;
    return;
  }
  directory = await mkdtemp(join(tmpdir(), 'coracle-projects-'));
  daemon = await startDaemon();
  await daemon.ok('import', archive, 'debian-build');
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  if (directory !== '') await rm(directory, { recursive: true, force: true });
});

function project(name: string, body: (t: TestContext) => Promise<void>): void {
  test(name, { skip }, async (t) => (noImage === undefined ? await body(t) : t.skip(noImage)));
}

async function build(
  name: string,
  files: Readonly<Record<string, string>>,
  ...flags: readonly string[]
): Promise<string> {
  const folder = join(directory, name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const argv = ['docker', 'build', '-t', name, ...flags, folder];
  const { code, stderr, stdout } = await runProgram(argv, daemon.engine.env, {
    env: { DOCKER_BUILDKIT: '0' },
    timeoutMs: BUILD_MS_MAX,
  });
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

const run = (...argv: readonly string[]): Promise<string> =>
  daemon.ok('run', '--rm', '--network', 'none', ...argv);

/** What a container answers over HTTP, asked from its host. */
async function ask(name: string, path: string, port = 80): Promise<string> {
  const address = await daemon.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', name);
  const net = `--net=${daemon.engine.namespace}`;
  const deadline = performance.now() + READY_MS_MAX;
  for (;;) {
    const argv = ['nsenter', net, 'curl', '-sS', '-m', '3', `http://${address}:${port}${path}`];
    const { code, stderr, stdout } = await runProgram(argv, process.env, {});
    if (code === 0) return stdout;
    if (performance.now() > deadline) throw new Error(stderr + (await daemon.ok('logs', name)));
    await sleep(POLL_MS);
  }
}

const GREET = `FROM debian-build AS make
WORKDIR /src
COPY --link *.c *.h ./
ARG VERSION=0
RUN --mount=type=cache,target=/objects <<EOF
set -e
for f in *.c; do
  o=/objects/$(cat $f *.h | cksum | tr ' ' -).o
  test -e $o || gcc -O2 -c -DVERSION='"'$VERSION'"' -o $o $f
  objects="$objects $o"
done
gcc -static -o /greet $objects
test "$(/greet you)" = "hello, you (0)"
EOF
FROM scratch
COPY --from=make --chmod=0555 /greet /greet
USER 1000:1000
ENTRYPOINT ["/greet"]
CMD ["world"]
`;

project('a C program is compiled and tested, and is alone in its image', async () => {
  await build('greet', {
    Dockerfile: GREET,
    'main.c': '#include "greet.h"\nint main(int n, char **v) { return n < 2 || greet(v[1]); }\n',
    'greet.c':
      '#include <stdio.h>\n#include "greet.h"\nint greet(const char *who) { return printf("hello, %s (%s)\\n", who, VERSION) < 0; }\n',
    'greet.h': 'int greet(const char *who);\n',
  });
  assert.equal(await run('greet'), 'hello, world (0)');
  assert.equal(await run('greet', 'sea'), 'hello, sea (0)');
  assert.equal(await daemon.ok('image', 'inspect', '-f', '{{len .RootFS.Layers}}', 'greet'), '1');
  const again = await build('greet', { 'greet.h': 'int greet(const char *who); /* changed */\n' });
  assert.match(again, /Using cache/);
  assert.match(again, /---> Running in/);
});

const SITE = `FROM debian-build AS pages
COPY --parents pages/**/*.txt /work/
RUN --mount=type=bind,target=/ctx <<EOF
set -e
mkdir -p /site
cd /work/pages
find . -name '*.txt' | while read -r f; do
  mkdir -p /site/$(dirname $f)
  sed -f /ctx/page.sed $f >/site/\${f%.txt}.html
done
EOF
FROM debian-build
COPY --from=pages --chown=www-data /site /usr/share/nginx/html
COPY <<EOF /etc/nginx/nginx.conf
user www-data; daemon off; worker_processes 1; error_log stderr;
events {}
http { access_log off; server { listen 80; root /usr/share/nginx/html; } }
EOF
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx"]
`;

project('a site is made by a script, and served by nginx', async () => {
  await build('site', {
    Dockerfile: SITE,
    'page.sed': 's/^# \\(.*\\)/<h1>\\1<\\/h1>/\n',
    'pages/index.txt': '# Coracle\n',
    'pages/deep/er.txt': '# Deeper\n',
    'pages/deep/ignored.md': '# No page\n',
  });
  await daemon.ok('run', '-d', '--name', 'site', 'site');
  assert.equal(await ask('site', '/index.html'), '<h1>Coracle</h1>\n');
  assert.equal(await ask('site', '/deep/er.html'), '<h1>Deeper</h1>\n');
  assert.match(await ask('site', '/deep/ignored.html'), /404/);
  await daemon.ok('rm', '-f', 'site');
});

const APP = `FROM debian-build AS base
RUN echo app:x:500:500::/app:/bin/sh >>/etc/passwd && echo app:x:500: >>/etc/group
USER app
WORKDIR /app
COPY --exclude=*_test.py . .
ENV MODE=production PYTHONDONTWRITEBYTECODE=1

FROM base AS checked
COPY *_test.py .
RUN python3 -m unittest -q app_test && echo ok >/app/checked

FROM base
COPY --from=checked /app/checked /app/
HEALTHCHECK --interval=1s CMD python3 -c "import app"
CMD ["python3", "app.py"]
`;

const APP_PY = `import http.server, json, os
def answer(path):
    return {"path": path, "uid": os.getuid(), "mode": os.environ["MODE"]}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(answer(self.path), sort_keys=True).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
if __name__ == "__main__":
    http.server.HTTPServer(("", 8000), Handler).serve_forever()
`;

const APP_TEST_PY = `import unittest, app
class T(unittest.TestCase):
    def test(self): self.assertEqual(app.answer("/x")["uid"], 500)
`;

project('a Python application is tested on the way, and runs as its own user', async () => {
  await build('app', {
    Dockerfile: APP,
    '.dockerignore': '**/__pycache__\n.git\n',
    'app.py': APP_PY,
    'app_test.py': APP_TEST_PY,
    '__pycache__/junk.pyc': 'junk',
  });
  const listing = await run('app', 'sh', '-c', 'ls -A; stat -c %U .');
  assert.equal(listing, '.dockerignore\nDockerfile\napp.py\nchecked\napp');
  await daemon.ok('run', '-d', '--name', 'app', 'app');
  const answer = await ask('app', '/hello', 8000);
  assert.equal(answer, '{"mode": "production", "path": "/hello", "uid": 500}');
  await daemon.ok('rm', '-f', 'app');
});

const SERVICE = `FROM debian-build AS node
COPY --chmod=0755 node /usr/local/bin/node

FROM node AS modules
WORKDIR /service
COPY npm /usr/local/lib/npm
COPY package.json package-lock.json ./
ARG npm_config_offline
RUN --mount=type=cache,target=/root/.npm --mount=source=ca.pem,target=/ca.pem \\
    NODE_EXTRA_CA_CERTS=/ca.pem node /usr/local/lib/npm/bin/npm-cli.js ci --omit=dev --fetch-retries=0

FROM node
WORKDIR /service
COPY --from=modules /service/node_modules node_modules
COPY service.js .
USER www-data
CMD ["node", "service.js"]
`;

const SERVICE_JS = `const ms = require('ms');
require('node:http').createServer((request, response) => {
  response.end(request.url + ' takes ' + ms('2 days') + ' ms\\n');
}).listen(8000);
`;
const MS = {
  version: '2.1.3',
  resolved: 'https://registry.npmjs.org/ms/-/ms-2.1.3.tgz',
  integrity:
    'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==',
};
const NPM = '/usr/lib/node_modules/npm';
/** Whom this machine trusts: there may be a proxy between. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

project('a Node service gets its packages by npm ci, from a cache the second time', async (t) => {
  for (const path of [NPM, CERTIFICATES]) if (!existsSync(path)) return t.skip(`needs ${path}`);
  if (!(await registryAnswers())) return t.skip('the npm registry cannot be reached');
  await using relay = await NpmRelay.start(daemon.engine.namespace, directory);
  const folder = join(directory, 'service');
  await cp(process.execPath, join(folder, 'node'));
  await cp(NPM, join(folder, 'npm'), { recursive: true });
  await cp(CERTIFICATES, join(folder, 'ca.pem'));
  const own = { name: 'service', version: '1.0.0', dependencies: { ms: '2.1.3' } };
  const lock = { ...own, lockfileVersion: 3, packages: { '': own, 'node_modules/ms': MS } };
  const files = (version: string): Readonly<Record<string, string>> => ({
    Dockerfile: SERVICE,
    'service.js': SERVICE_JS,
    'package.json': JSON.stringify({ ...own, version }),
    'package-lock.json': JSON.stringify(lock),
  });
  const proxy = ['HTTPS_PROXY', 'https_proxy'].flatMap((name) => [
    '--build-arg',
    `${name}=${relay.url}`,
  ]);
  const first = await build('service', files('1.0.0'), '--network', 'host', ...proxy);
  assert.match(first, /added 1 package/);
  // Without a network: what it needs is in the cache mount.
  const offline = ['--network', 'none', '--build-arg', 'npm_config_offline=true'];
  assert.match(await build('service', files('1.0.1'), ...offline), /added 1 package/);
  await daemon.ok('run', '-d', '--name', 'service', 'service');
  assert.equal(await ask('service', '/trip', 8000), '/trip takes 172800000 ms\n');
  assert.doesNotMatch(await daemon.ok('history', '--no-trunc', 'service'), /127\.0\.0\.1/);
  await daemon.ok('rm', '-f', 'service');
});
