import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneFlags, NAMESPACES, namespacePath, type NamespaceType } from './namespace.ts';

test('cloneFlags() joins the flags, without NEWTIME as the mask of the seccomp profile', () => {
  const types = Object.keys(NAMESPACES) as NamespaceType[];
  assert.equal(cloneFlags(types.filter((type) => type !== 'time')), 0x7e02_0000);
  assert.equal(cloneFlags(['time']), 0x80);
});

test('namespacePath() names what setns() opens', () => {
  assert.equal(namespacePath(7, 'network'), '/proc/7/ns/net');
  assert.equal(namespacePath(7, 'mount'), '/proc/7/ns/mnt');
});
