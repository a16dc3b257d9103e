import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseContexts } from './contexts.ts';

const one = (Name: string, Source = '') => parseContexts([{ Name, Source }]);

test('a context is known by its shortest name', () => {
  const names = ['docs', 'docs:latest', 'docker.io/library/docs', 'index.docker.io/docs:latest'];
  for (const name of names) assert.deepEqual([...one(name).keys()], ['docs'], name);
  assert.deepEqual([...one('host:5000/a/b:1.2').keys()], ['host:5000/a/b:1.2']);
});

test('a context is in the body, an image or a URL', () => {
  const sources = [
    '',
    'docker-image://busybox:1',
    'https://a/b',
    'git@host:a.git',
    'github.com/a/b',
  ];
  const kinds = sources.map((source) => one('x', source).get('x'));
  assert.deepEqual(kinds, [
    { kind: 'body' },
    { kind: 'image', name: 'busybox:1' },
    { kind: 'url', url: 'https://a/b' },
    { kind: 'url', url: 'git@host:a.git' },
    { kind: 'url', url: 'github.com/a/b' },
  ]);
});

test('names and sources that are none are refused with a reason', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['', '', /invalid context name ""/],
    ['A', '', /invalid context name "A": it is written like the name of an image/],
    ['a b', '', /invalid context name "a b"/],
    ['Scratch', '', /invalid context name "Scratch": this name has a meaning of its own/],
    ['context', '', /invalid context name "context": this name has a meaning of its own/],
    ['0', '', /invalid context name "0": a number names a stage/],
    ['x', 'docker-image://A', /invalid build context x: .*must be lowercase/],
    ['x', 'oci-layout:///a', /an OCI layout is read by 'coracle load'/],
    ['x', '/etc', /"\/etc" is neither docker-image:\/\/NAME, a URL nor a directory of the client/],
    ['x', 'ftp://me:word@a/b', /"ftp:\/\/xxxxx:xxxxx@a\/b" is neither/],
  ];
  for (const [name, source, why] of cases) assert.throws(() => one(name, source), why, name);
  const twice = ['x', 'x:latest'].map((Name) => ({ Name, Source: '' }));
  assert.throws(() => parseContexts(twice), /invalid build context x: it is given twice/);
  const many = Array.from({ length: 65 }, (_, at) => ({ Name: `x${at}`, Source: '' }));
  assert.throws(() => parseContexts(many), /more than 64 build contexts/);
});
