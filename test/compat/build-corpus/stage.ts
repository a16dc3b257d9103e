// Several stages: what they take from each other, and which of them are built.
import type { BuildCase } from './case.ts';

const B = 'FROM busybox\n';
const one = (name: string, dockerfile: string, more: Partial<BuildCase> = {}): BuildCase => ({
  name,
  dockerfile,
  ...more,
});
const OLD = '20.10 does not know it';

export const STAGE_CASES: readonly BuildCase[] = [
  one(
    'two stages',
    `FROM busybox AS build\nRUN echo built >/out\n${B}COPY --from=build /out /bin/out`,
  ),
  one('a stage by number', `FROM busybox\nRUN echo built >/out\n${B}COPY --from=0 /out /`),
  one(
    'a stage on a stage',
    `FROM busybox AS a\nENV x=1\nRUN echo a >/a\nFROM a AS b\nRUN echo $x >/b\nFROM b\nLABEL done=1`,
  ),
  one(
    'a stage by a name in capitals',
    `FROM busybox AS Build\nRUN echo x >/x\n${B}COPY --from=BUILD /x /y`,
  ),
  one(
    'COPY --from of a directory',
    `FROM busybox AS s\nRUN mkdir -p /d/e && echo 1 >/d/f && echo 2 >/d/e/g && chmod 700 /d/e && chown 5:6 /d/f && ln -s f /d/l\n${B}COPY --from=s /d /x/`,
  ),
  one(
    'COPY --from of a file into a directory',
    `FROM busybox AS s\nRUN echo 1 >/f\n${B}COPY --from=s /f /tmp`,
  ),
  one(
    'COPY --from of a relative path',
    `FROM busybox AS s\nWORKDIR /w\nRUN echo 1 >f && mkdir /w/w && echo 2 >/w/w/f\n${B}COPY --from=s w/f /x`,
  ),
  one(
    'COPY --from of many',
    `FROM busybox AS s\nRUN echo 1 >/f; echo 2 >/g\n${B}COPY --from=s /f /g /x/`,
  ),
  one(
    'COPY --from by a wildcard',
    `FROM busybox AS s\nRUN mkdir /d; echo 1 >/d/a.so; echo 2 >/d/b.so; echo 3 >/d/c\n${B}COPY --from=s /d/*.so /x/`,
  ),
  one(
    'COPY --from by a wildcard that fits nothing',
    `FROM busybox AS s\n${B}COPY --from=s /d/*.so /x/`,
  ),
  one('COPY --from of what is not there', `FROM busybox AS s\n${B}COPY --from=s /nothing /x/`),
  one(
    'COPY --from of a link',
    `FROM busybox AS s\nRUN echo 1 >/real; ln -s /real /ln; ln -s /d /lnd; mkdir /d; echo 2 >/d/f\n${B}COPY --from=s /ln /x\nCOPY --from=s /lnd /y`,
  ),
  one('COPY --from of an image', `FROM scratch\nCOPY --from=busybox /bin/busybox /bb`),
  one('COPY --from of a number too high', `${B}COPY --from=3 /x /y`),
  one(
    'COPY --from of a directory that the image has as a link',
    `FROM busybox AS s\nRUN mkdir -p /d/ln/sub && echo 1 >/d/ln/sub/f && ln /d/ln/sub/f /d/ln/g\nFROM busybox\nRUN mkdir /real; ln -s real /ln\nCOPY --from=s /d /`,
    {
      differs: 'ours: dockerd replaces the link by a directory, and what it led to is lost',
    },
  ),
  one(
    'COPY --from keeps owners',
    `FROM busybox AS s\nRUN echo 1 >/f; chown 5:6 /f; mkdir /d; echo 2 >/d/g; chown 7:8 /d/g\n${B}COPY --from=s /f /x\nCOPY --from=s /d /y`,
    { differs: 'as buildkit: dockerd keeps those in directories alone' },
  ),
  one(
    'COPY --from with --chown',
    `FROM busybox AS s\nRUN echo 1 >/f\n${B}COPY --from=s --chown=3:4 /f /x/`,
  ),
  one(
    'COPY --from with a variable',
    `ARG v=s\nFROM busybox AS s\nRUN echo 1 >/f\n${B}COPY --from=$v /f /x/`,
    { differs: '20.10 replaces none in it' },
  ),
  one(
    'COPY --from --parents',
    `FROM busybox AS s\nRUN mkdir -p /d/e; echo 1 >/d/e/f\n${B}COPY --from=s --parents /d/e/f /x/`,
    { differs: OLD },
  ),
  one(
    'COPY --from of hard links',
    `FROM busybox AS s\nRUN mkdir /d; echo 1 >/d/a; ln /d/a /d/b\n${B}COPY --from=s /d /x`,
  ),
  one('a target by name', `FROM busybox AS a\nLABEL s=a\nFROM busybox AS b\nLABEL s=b`, {
    query: { target: 'a' },
  }),
  one('a target by number', `FROM busybox AS a\nLABEL s=a\nFROM busybox AS b\nLABEL s=b`, {
    query: { target: '0' },
    differs: '20.10 knows names alone',
  }),
  one('a target that is not there', `${B}LABEL a=b`, { query: { target: 'none' } }),
  one(
    'a stage that nobody needs is not built',
    `FROM busybox AS broken\nRUN false\n${B}LABEL a=b`,
    { differs: 'the classic builder builds every stage' },
  ),
  one('arguments end with their stage', `FROM busybox AS a\nARG x=1\nFROM a\nLABEL x="<$x>"`),
  one(
    'a stage of the name of an image',
    `FROM busybox AS busybox\nLABEL a=1\nFROM busybox\nLABEL b=2`,
  ),
  one('COPY --from scratch', `FROM scratch AS s\nCOPY a /a\n${B}COPY --from=s /a /b`, {
    context: { a: 'A' },
  }),
  one('scratch without anything', 'FROM scratch', { differs: 'as buildkit: it is an image' }),
];
