import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileSystemOf } from './file-system.ts';

test('a file system is told by its name, or by its number where it has none here', async () => {
  assert.equal(await fileSystemOf('/proc'), '0x9fa0');
  assert.match(await fileSystemOf('/'), /^(?:[a-z]+[a-z0-9]*|0x[0-9a-f]+)$/);
});
