import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { type GitSource, isGitContext, isGitUrl, parseGitSource, redactUrl } from './url.ts';

const SHA = '0123456789abcdef0123456789abcdef01234567';

test('what names a repository is told from files of the web and of the context', () => {
  const repositories = [
    'https://host/x.git',
    'http://host:8080/a/b.git#main',
    'https://host/x.git#:dir',
    'https://host/x.git?branch=main&subdir=a',
    'https://user:pw@host/x.git',
    'git://host/x',
    'ssh://git@host/x',
    'git@host:user/x.git',
    'deploy@host:x.git#v1',
  ];
  for (const text of repositories) assert.equal(isGitUrl(text), true, text);
  const others = [
    'https://host/x.tar.gz',
    'https://host/x.git.tar',
    'https://host/x?y=.git',
    'https://host/x.github',
    'x.git',
    './git@host',
    'file:///srv/x.git',
    'ext::sh -c id',
    'github.com/user/x',
  ];
  for (const text of others) assert.equal(isGitUrl(text), false, text);
  assert.equal(isGitContext('github.com/user/x'), true);
});

const SOURCES: readonly (readonly [string, Partial<GitSource>])[] = [
  ['https://host/x.git', { url: 'https://host/x.git', ref: '', subdir: '', submodules: true }],
  ['https://host/x.git#main', { ref: 'main', refKind: 'any' }],
  ['https://host/x.git#feature/a:dir/b', { ref: 'feature/a', subdir: 'dir/b' }],
  ['https://host/x.git#:/dir/./b/', { ref: '', subdir: 'dir/b' }],
  [`https://host/x.git#${SHA}`, { ref: SHA }],
  ['https://host/x.git#refs/pull/42/head', { ref: 'refs/pull/42/head' }],
  ['https://host/x.git#a%2Fb:c%20d', { ref: 'a/b', subdir: 'c d' }],
  ['https://host/x.git?branch=b&subdir=d', { ref: 'b', refKind: 'branch', subdir: 'd' }],
  ['https://host/x.git?tag=v1&checksum=ABCDEF0', { refKind: 'tag', checksum: 'abcdef0' }],
  ['https://host/x.git?ref=pull/1/head', { ref: 'pull/1/head', refKind: 'any' }],
  [`https://host/x.git?commit=${SHA}`, { ref: SHA, checksum: SHA }],
  ['https://host/x.git?keep-git-dir=true&submodules=0', { keepGitDir: true, submodules: false }],
  ['http://host:8080/x.git', { url: 'http://host:8080/x.git', host: 'host:8080' }],
  ['git://host/x', { url: 'git://host/x', protocol: 'git:', hostname: 'host' }],
  ['github.com/user/x#v1', { url: 'https://github.com/user/x', ref: 'v1' }],
  [
    'https://me:p%40ss@host/x.git',
    { url: 'https://host/x.git', credentials: { username: 'me', password: 'p@ss' } },
  ],
  ['https://token@host/x.git', { credentials: { username: 'token', password: '' } }],
];

test('a source says the repository, the ref, the directory and the credentials apart', () => {
  for (const [text, expected] of SOURCES) {
    const found: Readonly<Record<string, unknown>> = parseGitSource(text);
    for (const [name, value] of Object.entries(expected)) {
      assert.deepEqual(found[name], value, `${name} of ${text}`);
    }
  }
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['ssh://git@host/x', /ssh is not spoken/],
  ['ssh://-oProxyCommand=id/x', /ssh is not spoken/],
  ['git@host:x.git', /ssh is not spoken/],
  ['-oProxyCommand=id@host:x.git', /begins with "-"/],
  ['--upload-pack=id@host:x.git', /begins with "-"/],
  ['https://-host/x.git', /no host/],
  ['https://%2dhost/x.git', /no host/],
  ['git://-host/x', /no host/],
  ['https://host/', /names no repository/],
  ['file:///srv/x.git', /file is not allowed/],
  ['ext::sh%20-c%20id', /ext is not allowed/],
  ['ftp://host/x.git', /ftp is not allowed/],
  ['https://host/x.git#-oops', /invalid ref/],
  ['https://host/x.git#--upload-pack=id', /invalid ref/],
  ['https://host/x.git#%2d-exec=id', /invalid ref/],
  ['https://host/x.git?branch=--exec', /invalid ref/],
  ['https://host/x.git#a..b', /invalid ref/],
  ['https://host/x.git#a%0ab', /invalid ref/],
  ['https://host/x.git#a^{}', /invalid ref/],
  ['https://host/x.git#@{u}', /invalid ref/],
  ['https://host/x.git#a/.b', /invalid ref/],
  ['https://host/x.git#a.lock', /invalid ref/],
  ['https://host/x.git#/a', /invalid ref/],
  ['https://host/x.git#main:../..', /invalid subdir/],
  ['https://host/x.git#main:a/../../b', /invalid subdir/],
  ['https://host/x.git#main:-a', /invalid subdir/],
  ['https://host/x.git#main:.git/hooks', /invalid subdir/],
  ['https://host/x.git#main:a%00b', /invalid subdir/],
  ['https://host/x.git?branch=a&tag=b', /more than one/],
  ['https://host/x.git?branch=', /its branch is empty/],
  ['https://host/x.git?branch=a#b', /a query and a fragment/],
  ['https://host/x.git?depth=1', /means nothing/],
  ['https://host/x.git?checksum=main', /invalid checksum/],
  ['https://host/x.git?submodules=perhaps', /true or false/],
  ['https://host/x.git\n#main', /control characters/],
  ['https://host/x .git', /blanks/],
  ['https://host\\@other/x.git', /backslashes/],
  ['https://a%0d%0ab:c@host/x.git', /credentials have control/],
  ['https://host/x.git#%zz', /broken %-escape/],
  ['git://me:pw@host/x', /no credentials/],
  [`https://host/${'x'.repeat(5000)}.git`, /too long/],
];

test('options, other protocols and what is no ref are refused before anything runs', () => {
  for (const [text, expected] of REFUSED) {
    const isRight = (error: unknown): boolean =>
      error instanceof EngineError && expected.test(error.message);
    assert.throws(() => parseGitSource(text), isRight, text);
  }
});

test('credentials are in no text of an error', () => {
  for (const text of [
    'https://me:geheim@host/x.git#-x',
    'ssh://me:geheim@host/x',
    'git://me:geheim@host/x',
    'https://geheim@host/',
    'https://me:gehe%zzim@host/x.git',
  ]) {
    try {
      parseGitSource(text);
      assert.fail(text);
    } catch (error) {
      assert.doesNotMatch(String(error), /geheim|gehe%/, text);
    }
  }
  const line = 'ADD https://a:b@host/x.git http://c@d/e /f@g https://h/i@j';
  const shown = 'ADD https://xxxxx:xxxxx@host/x.git http://xxxxx:xxxxx@d/e /f@g https://h/i@j';
  assert.equal(redactUrl(line), shown);
});
