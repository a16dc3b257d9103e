import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Flags } from '../flags.ts';
import { chooseEngine } from './choose.ts';
import { ContextStore } from './store.ts';

// The tour of the README sets DOCKER_HOST for docker, and ends the daemon: `coracle ps` starts it.
test('our own socket is our own engine however it is named, and no other place is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'choose-'));
  try {
    const store = new ContextStore(folder);
    const own = 'unix:///run/coracle/coracle.sock';
    const isOwn = (env: Readonly<Record<string, string>>, host?: string): boolean => {
      const flags = new Flags(new Map(host === undefined ? [] : [['host', [host]]]));
      return chooseEngine(flags, store, env).isOwn;
    };
    assert.deepEqual(
      [isOwn({}), isOwn({ DOCKER_HOST: own }), isOwn({ CORACLE_HOST: own }), isOwn({}, own)],
      [true, true, true, true],
    );
    const other = 'unix:///var/run/docker.sock';
    assert.deepEqual(
      [isOwn({ DOCKER_HOST: other }), isOwn({}, other), isOwn({}, 'tcp://127.0.0.1:1')],
      [false, false, false],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
