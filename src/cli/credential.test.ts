import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HUB_SERVER } from '#client/registry-auth.ts';
import { CredentialStore, serverKey } from './credential.ts';
import { CredentialFile, NO_CREDENTIALS } from './credential-file.ts';

const JOE = { ...NO_CREDENTIALS, username: 'joe', password: 'se:cret' };

async function inFolder(run: (folder: string, path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-config-'));
  try {
    await run(folder, join(folder, 'config.json'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const silent = (): void => {};

/** A program below PATH that keeps what it is given in files. */
function makeHelper(folder: string, name: string, script: string): Disposable {
  const program = join(folder, `docker-credential-${name}`);
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}:${before}`;
  return {
    [Symbol.dispose]: () => {
      process.env['PATH'] = before;
    },
  };
}

function decode(header: Readonly<Record<string, string>>): unknown {
  return JSON.parse(Buffer.from(header['X-Registry-Auth'] ?? '', 'base64url').toString());
}

test('what is written is what docker writes, and what it does not know stays', () =>
  inFolder(async (folder, path) => {
    const other = { credsStore: '', psFormat: 'x', auths: { 'b.test': { auth: 'YTpi' } } };
    writeFileSync(path, JSON.stringify(other), { mode: 0o640 });
    const file = CredentialFile.open(folder, silent);
    assert.equal(file.put('a.test', JOE), true);
    assert.equal(file.put('a.test', JOE), false);
    const auths = { 'a.test': { auth: 'am9lOnNlOmNyZXQ=' }, 'b.test': { auth: 'YTpi' } };
    assert.equal(readFileSync(path, 'utf8'), JSON.stringify({ ...other, auths }, undefined, '\t'));
    assert.equal(statSync(path).mode & 0o777, 0o640);
    const again = CredentialFile.open(folder, silent);
    assert.deepEqual(again.get('a.test'), JOE);
    again.delete('a.test');
    again.delete('b.test');
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { ...other, auths: {} });
  }));

test('a new file is for its owner alone, and a link to it stays one', () =>
  inFolder(async (folder) => {
    const home = join(folder, 'new/docker');
    CredentialFile.open(home, silent).delete('a.test');
    assert.equal(existsSync(home), false, 'nothing to take away is nothing to write');
    CredentialFile.open(home, silent).put('a.test', JOE);
    assert.equal(statSync(home).mode & 0o777, 0o700);
    assert.equal(statSync(join(home, 'config.json')).mode & 0o777, 0o600);
    const linked = join(folder, 'linked');
    mkdirSync(linked);
    symlinkSync(join(home, 'config.json'), join(linked, 'config.json'));
    CredentialFile.open(linked, silent).put('b.test', JOE);
    assert.ok(lstatSync(join(linked, 'config.json')).isSymbolicLink());
    assert.deepEqual(CredentialFile.open(home, silent).get('b.test'), JOE);
  }));

test('a file that cannot be read is told of, and not written over', () =>
  inFolder(async (folder, path) => {
    writeFileSync(path, '{"auths": ');
    const told: string[] = [];
    const file = CredentialFile.open(folder, (text) => told.push(text));
    assert.match(told[0] ?? '', /^WARNING: Error loading config file: .*config\.json: /);
    assert.equal(file.get('a.test'), undefined);
    assert.throws(() => file.put('a.test', JOE), /repair or remove it first/);
    assert.throws(() => file.delete('a.test'), /repair or remove it first/);
    assert.equal(readFileSync(path, 'utf8'), '{"auths": ');
  }));

test('keys of old are URLs: the host counts', () =>
  inFolder(async (folder, path) => {
    const entry = { username: 'joe', password: 'se:cret' };
    writeFileSync(path, JSON.stringify({ auths: { 'https://a.test/v1/': entry } }));
    assert.deepEqual(CredentialFile.open(folder, silent).get('a.test'), JOE);
    assert.equal(serverKey('https://a.test:5000/v2/'), 'a.test:5000');
    for (const hub of ['', 'docker.io', 'https://index.docker.io/v1/', 'registry-1.docker.io']) {
      assert.equal(serverKey(hub), HUB_SERVER);
    }
  }));

test('a program keeps the secret, and the file only names the registry', () =>
  inFolder(async (folder, path) => {
    const kept = join(folder, 'kept');
    const script = `case $1 in
      store) cat > ${kept};;
      get) read server; [ -e ${kept} ] || { echo credentials not found in native keychain; exit 1; }
        cat ${kept};;
      erase) rm ${kept};;
    esac`;
    using _path = makeHelper(folder, 'shelf', script);
    writeFileSync(path, '{"credHelpers": {"a.test": "shelf"}, "credsStore": "none"}');
    const store = CredentialStore.open(folder);
    assert.deepEqual(await store.get('a.test'), NO_CREDENTIALS);
    await store.put('a.test', JOE);
    assert.deepEqual(JSON.parse(readFileSync(kept, 'utf8')), {
      ServerURL: 'a.test',
      Username: 'joe',
      Secret: 'se:cret',
    });
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')).auths, { 'a.test': {} });
    assert.deepEqual(decode(await store.header('a.test/app')), {
      username: 'joe',
      password: 'se:cret',
      serveraddress: 'a.test',
    });
    await store.put('a.test', { ...NO_CREDENTIALS, identityToken: 'token' });
    assert.equal(JSON.parse(readFileSync(kept, 'utf8')).Username, '<token>');
    assert.deepEqual(decode(await store.header('a.test/app')), {
      serveraddress: 'a.test',
      identitytoken: 'token',
    });
    await store.erase('a.test');
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')).auths, {});
    assert.deepEqual(await store.get('a.test'), NO_CREDENTIALS);
  }));

test('a program that is missing, fails or prints garbage is an error that says so', () =>
  inFolder(async (folder, path) => {
    using _path = makeHelper(folder, 'broken', 'echo no keychain; exit 3');
    using _other = makeHelper(folder, 'garbage', 'echo hello');
    const helpers = {
      'a.test': 'nosuch',
      'b.test': 'broken',
      'c.test': 'garbage',
      'd.test': '../../bin/sh',
    };
    writeFileSync(path, JSON.stringify({ credHelpers: helpers }));
    const store = CredentialStore.open(folder);
    const missing = 'exec: "docker-credential-nosuch": executable file not found in $PATH';
    await assert.rejects(store.get('a.test'), {
      message: `error getting credentials - err: ${missing}, out: \`\``,
    });
    await assert.rejects(store.erase('b.test'), {
      message: 'error erasing credentials - err: exit status 3, out: `no keychain`',
    });
    await assert.rejects(store.get('c.test'), /docker-credential-garbage printed something/);
    await assert.rejects(store.get('d.test'), /invalid helper "..\/..\/bin\/sh"/);
  }));

test('an image of Docker Hub goes with the credentials of its index', () =>
  inFolder(async (folder) => {
    CredentialFile.open(folder, silent).put(HUB_SERVER, JOE);
    const store = CredentialStore.open(folder);
    assert.deepEqual(decode(await store.header('busybox')), {
      username: 'joe',
      password: 'se:cret',
      serveraddress: HUB_SERVER,
    });
    assert.deepEqual((await store.header('a.test/busybox'))['X-Registry-Auth'], 'e30=');
  }));
