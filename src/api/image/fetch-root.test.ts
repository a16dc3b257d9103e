// Which addresses of archives are fetched.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRootUrl } from './fetch-root.ts';

test('the address of an archive is one of http or https, and http where it says nothing', () => {
  assert.equal(parseRootUrl('reg.test/a.tar').href, 'http://reg.test/a.tar');
  assert.equal(parseRootUrl('https://reg.test/a.tar?x=1').href, 'https://reg.test/a.tar?x=1');
  assert.throws(() => parseRootUrl('ftp://reg.test/a.tar'), /begins with http:\/\/ or https:\/\//);
});

test('an address with a password is refused, and no message repeats it', () => {
  assert.throws(
    () => parseRootUrl('https://joe:secret@reg.test/a.tar'),
    ({ code, message }: { code: string; message: string }) =>
      code === 'invalid_argument' && message.includes('reg.test') && !message.includes('secret'),
  );
});
