// COPY and ADD from the context: what goes where, with which owner and mode.
import { gzipSync } from 'node:zlib';
import { encodeTar } from '#tar/encode.ts';
import type { BuildCase, ContextEntry } from './case.ts';

const B = 'FROM busybox\n';
const FILES: Readonly<Record<string, ContextEntry>> = {
  a: 'A',
  'b.txt': 'B',
  'c.txt': { text: 'C', mode: 0o600, uid: 1000 },
  'run.sh': { text: '#!/bin/sh', mode: 0o755 },
  'd/': { mode: 0o750, uid: 5 },
  'd/x': 'X',
  'd/y.txt': 'Y',
  'd/e/': { mode: 0o700 },
  'd/e/z': 'Z',
  'd/link': { kind: 'symlink', link: 'x' },
  link: { kind: 'symlink', link: 'd' },
  up: { kind: 'symlink', link: '../../../etc/passwd' },
  abs: { kind: 'symlink', link: '/etc/passwd' },
  'to-a': { kind: 'symlink', link: 'a' },
  broken: { kind: 'symlink', link: 'nothing' },
  'with space': 'S',
  'h/': {},
  'h/1': 'hard',
  'h/2': { kind: 'link', link: 'h/1' },
  'empty/': {},
  '[x]': 'brackets',
};
const copy = (name: string, lines: string, more: Partial<BuildCase> = {}): BuildCase => ({
  name,
  dockerfile: `${B}${lines}`,
  context: FILES,
  ...more,
});

async function tar(): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const mtime = 1_600_000_000_000_000_000n;
  const body = Buffer.from('in tar');
  const items = [
    { kind: 'dir', path: 't', mode: 0o755, uid: 3, gid: 4, mtime },
    { kind: 'file', path: 't/f', mode: 0o640, uid: 3, gid: 4, mtime, size: body.length, body },
    { kind: 'symlink', path: 't/l', linkPath: 'f', mode: 0o777, mtime },
    { kind: 'link', path: 't/h', linkPath: 't/f', mode: 0o640, uid: 3, gid: 4, mtime },
  ] as const;
  for await (const chunk of encodeTar(items)) parts.push(chunk);
  return Buffer.concat(parts);
}
const TAR = await tar();
const ARCHIVES: Readonly<Record<string, ContextEntry>> = {
  'x.tar': { text: TAR },
  'x.tgz': { text: gzipSync(TAR) },
  'x.gz': { text: gzipSync('no tar') },
  'x.bin': { text: TAR },
  plain: 'P',
};

export const COPY_CASES: readonly BuildCase[] = [
  copy('COPY of a file to a file', 'COPY a /b'),
  copy('COPY of a file into a directory', 'COPY a /tmp/'),
  copy('COPY of a file to a directory without a slash', 'COPY a /tmp'),
  copy('COPY of a file into a directory that is made', 'COPY a /x/y/'),
  copy('COPY of a file to a path whose parents are made', 'COPY a /x/y/z'),
  copy('COPY of a file keeps its mode and not its owner', 'COPY c.txt run.sh /x/'),
  copy('COPY of a directory gives what is in it', 'COPY d /x'),
  copy('COPY of a directory into one that exists', 'COPY d /tmp'),
  copy('COPY of a directory with a slash', 'COPY d/ /x/'),
  copy('COPY of a directory and a file', 'COPY d a /x/'),
  copy('COPY of everything', 'COPY . /x'),
  copy('COPY of everything to the root', 'COPY d /'),
  copy('COPY of an empty directory', 'COPY empty /x'),
  copy('COPY to a place relative to WORKDIR', 'WORKDIR /w\nCOPY a .\nCOPY a b\nCOPY d sub/'),
  copy('COPY in JSON form', 'COPY ["with space", "/x y/"]'),
  copy('COPY with an escaped blank', 'COPY with\\ space /x', {
    differs: 'as buildkit: a blank can be escaped',
  }),
  copy('COPY by a wildcard', 'COPY *.txt /x/'),
  copy('COPY by a wildcard for directories', 'COPY d/* /x/'),
  copy('COPY by a question mark', 'COPY ?.txt /x/'),
  copy('COPY by a class', 'COPY [ab]* /x/'),
  copy('COPY of a name that looks like a class', 'COPY [[]x] /x/'),
  copy('COPY by a wildcard that fits nothing', 'COPY *.none /x/'),
  copy('COPY by a wildcard that fits one', 'COPY b*.txt /x'),
  copy('COPY of what is not there', 'COPY nothing /x'),
  copy('COPY of what lies outside', 'COPY ../a /x'),
  copy('COPY of what lies outside behind a directory', 'COPY d/../../a /x'),
  copy('COPY of a slash means the context', 'COPY /a /x'),
  copy('COPY of a link follows it', 'COPY to-a /x'),
  copy('COPY of a link to a directory follows it', 'COPY link /x'),
  copy('COPY of a link inside a directory keeps it', 'COPY d /x/'),
  copy('COPY of a link that leads out stays inside', 'COPY up /x'),
  copy('COPY of a link to an absolute path stays inside', 'COPY abs /x'),
  copy('COPY of a link that leads nowhere', 'COPY broken /x'),
  copy('COPY through a link', 'COPY link/x /x'),
  copy('COPY of hard links', 'COPY h /h'),
  copy('COPY of many files without a slash', 'COPY a b.txt /x'),
  copy('COPY of many to a file', 'COPY a /f\nCOPY a b.txt /f'),
  copy('COPY of a directory to a file', 'COPY a /f\nCOPY d /f', {
    differs: 'dockerd tells paths of its own',
  }),
  copy('COPY over a file', 'COPY a /f\nCOPY b.txt /f'),
  copy('COPY below a file', 'COPY a /f\nCOPY a /f/g', {
    differs: 'dockerd tells paths of its own',
  }),
  copy('COPY of a file onto a directory of its name', 'RUN mkdir -p /x/a/sub\nCOPY a /x/'),
  copy('COPY of a directory onto a file of its name', 'RUN mkdir /x; touch /x/e\nCOPY d /x/'),
  copy(
    'COPY onto a link of the image',
    'RUN mkdir /real; ln -s /real /ln\nCOPY a /ln/\nCOPY a /ln/b',
  ),
  copy(
    'COPY of a directory that the image has as a link',
    'RUN mkdir /real; ln -s real /ln\nCOPY t /',
    {
      context: { 't/ln/f': 'F', 't/ln/sub/g': 'G', 't/new/h': 'H' },
      differs: 'ours: dockerd replaces the link by a directory, and what it led to is lost',
    },
  ),
  copy('COPY onto a link to a file', 'RUN echo old >/real; ln -s real /ln\nCOPY a /ln'),
  copy('COPY onto a link of the image that leads up', 'RUN ln -s ../../../../tmp /ln\nCOPY a /ln/'),
  copy('COPY --chown by number', 'COPY --chown=7:8 d /x/\nCOPY --chown=9 a /x/y/z'),
  copy(
    'COPY --chown by name',
    'RUN echo u:x:55:66::/:/bin/sh >>/etc/passwd; echo g:x:77: >>/etc/group\nCOPY --chown=u:g a /1\nCOPY --chown=u a /2\nCOPY --chown=u:9 a /3',
    { differs: 'as buildkit: the group is that of the user' },
  ),
  copy('COPY --chown of nobody that is known', 'COPY --chown=unknown a /x'),
  copy('COPY --chown with a variable', 'ARG o=3:4\nCOPY --chown=$o a /x'),
  copy('COPY after USER belongs to root', 'USER 1000\nCOPY a /x/y'),
  copy('COPY with a variable', 'ENV s=a t=/x/y\nCOPY $s $t/'),
  copy('COPY with variables in a list', 'ARG s=a\nCOPY ["$s", "/x/"]'),
  copy('COPY --chmod', 'COPY --chmod=0640 d run.sh /x/', {
    differs: '20.10 has it in buildkit alone',
  }),
  copy('COPY --chmod with letters', 'COPY --chmod=u=rw,go=r run.sh /x/', {
    differs: '20.10 has it in buildkit alone',
  }),
  copy('COPY --chmod of what is no mode', 'COPY --chmod=rw a /x/', {
    differs: '20.10 has it in buildkit alone',
  }),
  copy('COPY --link', 'COPY --link a /x/', { differs: '20.10 does not know it' }),
  copy('COPY --parents', 'COPY --parents d/e/z d/x /o/', { differs: '20.10 does not know it' }),
  copy('COPY --parents from a pivot', 'COPY --parents d/./e/z /o/', {
    differs: '20.10 does not know it',
  }),
  copy('COPY --parents by a wildcard', 'COPY --parents **/*.txt /o/', {
    differs: '20.10 does not know it',
  }),
  copy('COPY --exclude', 'COPY --exclude=*.txt --exclude=e d /x/', {
    differs: '20.10 does not know it',
  }),
  copy('COPY --exclude of what lies deep', 'COPY --exclude=**/z . /x/', {
    differs: '20.10 does not know it',
  }),
  copy('COPY of a here-document', 'ENV v=1\nCOPY <<one <<"two" /x/\nis $v\none\nis $v\ntwo', {
    differs: '20.10 does not know them',
  }),
  copy(
    'COPY of a here-document to a file',
    'COPY --chmod=600 --chown=1:2 <<EOF /x/file\na\n\tb\nEOF',
    { differs: '20.10 does not know them' },
  ),
  copy('COPY of a here-document beside a file', 'COPY a <<-EOF /x/\n\ttext\n\tEOF', {
    differs: '20.10 does not know them',
  }),
  copy('COPY of devices and pipes', 'COPY p /x/', {
    context: {
      'p/': {},
      'p/fifo': { kind: 'fifo' },
      'p/null': { kind: 'char', mode: 0o666 },
      'p/f': 'f',
    },
  }),
  copy('COPY keeps capabilities of files', 'COPY p /x/', {
    differs: 'dockerd loses them',
    context: {
      'p/': {},
      'p/f': {
        text: 'f',
        xattrs: { 'security.capability': '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0' },
      },
    },
  }),
  copy('COPY of names that are no UTF-8', 'COPY p /x/', {
    context: { 'p/': {}, 'p/\xff\xfe': 'raw', 'p/\xc3\xa9': 'e' },
  }),
  copy('COPY of special mode bits', 'COPY p /x/', {
    differs: 'dockerd loses them',
    context: { 'p/': {}, 'p/su': { text: 's', mode: 0o4755 }, 'p/t/': { mode: 0o1777 } },
  }),
  copy('COPY of a long path', `COPY . /x/`, {
    context: { [`${'l/'.repeat(80)}file`]: 'deep', [`${'n'.repeat(200)}`]: 'long' },
  }),
  copy('COPY with .dockerignore', 'COPY . /x/', {
    context: { ...FILES, '.dockerignore': '*.txt\n!b.txt\nd/e\n**/link\nDockerfile\n' },
    differs: 'dockerd leaves it to its client',
  }),
  copy('COPY of what .dockerignore leaves out', 'COPY a /x/', {
    context: { ...FILES, '.dockerignore': 'a' },
    differs: 'dockerd leaves it to its client',
  }),
  copy('COPY of a directory whose entry is missing', 'COPY q /x', { context: { 'q/r/s': 'S' } }),
  copy('ADD of a file', 'ADD a /x/'),
  copy('ADD of what is not there', 'ADD nothing /x'),
  copy('ADD of an archive', 'ADD x.tar /x/', { context: ARCHIVES }),
  copy('ADD of an archive that is compressed', 'ADD x.tgz /x', { context: ARCHIVES }),
  copy('ADD of an archive by its content', 'ADD x.bin /x/', { context: ARCHIVES }),
  copy('ADD of something compressed that is no archive', 'ADD x.gz /x/', { context: ARCHIVES }),
  copy('ADD of an archive and a file', 'ADD x.tar plain /x/', { context: ARCHIVES }),
  copy('ADD --chown of an archive', 'ADD --chown=9:9 x.tar /x/', { context: ARCHIVES }),
  copy('ADD of an archive onto a link', 'RUN mkdir /real; ln -s real /ln\nADD x.tar /ln/', {
    context: ARCHIVES,
  }),
  copy('ADD --unpack=false of an archive', 'ADD --unpack=false x.tar /x/', {
    context: ARCHIVES,
    differs: '20.10 does not know it',
  }),
  copy('COPY of an archive does not unpack it', 'COPY x.tar /x/', { context: ARCHIVES }),
  copy('COPY to the root by a dot', 'COPY a .'),
  copy('COPY of a file twice', 'COPY a /x\nCOPY a /x'),
  copy('COPY of the Dockerfile', 'COPY Dockerfile /x', { context: {} }),
  copy('a Dockerfile of another name', 'COPY a /x', {
    query: { dockerfile: 'sub/My.docker' },
    context: { ...FILES, 'sub/My.docker': `${B}COPY b.txt /from-sub` },
  }),
  copy('a Dockerfile that is not there', 'COPY a /x', { query: { dockerfile: 'none' } }),
  copy('a Dockerfile outside', 'COPY a /x', { query: { dockerfile: '../../../etc/passwd' } }),
];
