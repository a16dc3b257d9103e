import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  familiarName,
  familiarReference,
  formatReference,
  parseAnyReference,
  parseReference,
  withDefaultTag,
} from './reference.ts';

const HEX = 'a'.repeat(64);

test('a familiar name is filled in to its normal form, and back', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['busybox', 'docker.io/library/busybox', 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['user/app', 'docker.io/user/app', 'user/app'],
    ['docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['index.docker.io/user/app', 'docker.io/user/app', 'user/app'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['reg:5000/app:v1', 'reg:5000/app:v1', 'reg:5000/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app', '[::1]:5000/app'],
    ['ubuntu:5000', 'docker.io/library/ubuntu:5000', 'ubuntu:5000'],
    ['Host/app', 'Host/app', 'Host/app'],
    ['a__b/c-d.e--f', 'docker.io/a__b/c-d.e--f', 'a__b/c-d.e--f'],
    [`b:t@sha256:${HEX}`, `docker.io/library/b:t@sha256:${HEX}`, `b:t@sha256:${HEX}`],
  ];
  for (const [text, normal, familiar] of cases) {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), normal);
    assert.equal(familiarReference(reference), familiar);
    assert.deepEqual(parseReference(familiar), reference);
  }
});

test("a wrong name is refused in Docker's words", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'invalid reference format'],
    ['UPPER', 'invalid reference format: repository name (library/UPPER) must be lowercase'],
    ['user/App:x', 'invalid reference format: repository name (user/App) must be lowercase'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    ['a:', 'invalid reference format'],
    ['a/', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a..b', 'invalid reference format'],
    ['a___b', 'invalid reference format'],
    ['../../etc', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['a\n', 'invalid reference format'],
    [`a:${'t'.repeat(129)}`, 'invalid reference format'],
    [`a@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`a@md9:${HEX}`, 'unsupported digest algorithm'],
    [`r/${'a/'.repeat(130)}b`, 'repository name must not be more than 255 characters'],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseReference(text), { message }, JSON.stringify(text));
  }
});

test('an id or digest is not a name', () => {
  assert.deepEqual(parseAnyReference(HEX), { kind: 'id', id: `sha256:${HEX}` });
  assert.deepEqual(parseAnyReference(`sha256:${HEX}`), { kind: 'id', id: `sha256:${HEX}` });
  assert.equal(parseAnyReference('sha256:abc').kind, 'name');
});

test('the default tag is added only to a bare name', () => {
  assert.equal(withDefaultTag(parseReference('a')).tag, 'latest');
  assert.equal(withDefaultTag(parseReference('a:b')).tag, 'b');
  assert.equal(withDefaultTag(parseReference(`a@sha256:${HEX}`)).tag, undefined);
});

test('whatever parses, its normal form parses to the same again, and so does its familiar form', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,5})?$/);
  const domain = fc.constantFrom(
    '',
    'localhost/',
    'reg.example/',
    'reg:5000/',
    '[fe80::1]/',
    'docker.io/',
  );
  const tag = fc.oneof(fc.constant(''), fc.stringMatching(/^:\w[\w.-]{0,20}$/));
  const digest = fc.constantFrom('', `@sha256:${HEX}`);
  fc.assert(
    fc.property(
      domain,
      fc.array(component, { minLength: 1, maxLength: 4 }),
      tag,
      digest,
      (d, p, t, g) => {
        const text = d + p.join('/') + t + g;
        const reference = parseReference(text);
        assert.deepEqual(parseReference(formatReference(reference)), reference);
        // Docker's familiar form of docker.io/a.b/c is ambiguous: it reads as a host.
        const ambiguous =
          reference.domain === 'docker.io' && /^[^/]*\.[^/]*\//.test(reference.path);
        if (!ambiguous) assert.deepEqual(parseReference(familiarReference(reference)), reference);
        assert.ok(formatReference(reference).endsWith(familiarName(reference) + t + g));
      },
    ),
  );
});

test('no text makes the parser fail in another way than by refusing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9:/@._-]{0,40}$/)), (text) => {
      try {
        const reference = parseReference(text);
        assert.ok(!formatReference(reference).includes('..'));
      } catch (error) {
        assert.ok(error instanceof Error && error.name === 'EngineError');
      }
    }),
  );
});
