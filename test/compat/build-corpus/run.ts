// RUN, in all its forms.
import type { BuildCase } from './case.ts';

const B = 'FROM busybox\n';
const one = (name: string, dockerfile: string, more: Partial<BuildCase> = {}): BuildCase => ({
  name,
  dockerfile,
  ...more,
});
const OLD = '20.10 does not know it';

export const RUN_CASES: readonly BuildCase[] = [
  one('RUN in shell form', `${B}RUN echo "a b" >/f && echo $0`),
  one('RUN in exec form', `${B}RUN ["sh", "-c", "echo x >/f"]`),
  one('RUN that writes nothing', `${B}RUN true`),
  one('RUN that prints on both streams', `${B}RUN echo out; echo err >&2`),
  one('RUN that fails', `${B}RUN exit 3`),
  one('RUN that fails in exec form', `${B}RUN ["false"]`),
  one('RUN of a program that is not there', `${B}RUN ["/nothing"]`, {
    differs: 'each runtime has its own words',
  }),
  one('RUN of a command that is not there', `${B}RUN nothing-such`),
  one('RUN over many lines', `${B}RUN echo a \\\n  # comment\n  && echo b >/f \\\n\n  && echo c`),
  one('RUN with a variable of ENV', `${B}ENV a=1\nRUN echo $a >/f`),
  one('RUN with an ARG', `${B}ARG a=1\nARG b\nRUN echo "$a<$b>" >/f`, {
    query: { buildargs: '{"b":"x y"}' },
  }),
  one('RUN with an ARG that ENV hides', `${B}ARG a=1\nENV a=2\nRUN echo $a >/f`),
  one('RUN with a proxy', `${B}RUN echo $http_proxy >/f`, {
    query: { buildargs: '{"http_proxy":"http://p"}' },
  }),
  one('RUN in WORKDIR', `${B}WORKDIR /w\nRUN pwd >f`),
  one('RUN as USER', `${B}USER 55:66\nRUN id -u >/tmp/f`),
  one('RUN with SHELL', `${B}SHELL ["/bin/sh", "-ec"]\nRUN false; echo not`),
  one('RUN removes', `${B}RUN mkdir /d && echo 1 >/d/a && echo 2 >/d/b\nRUN rm /d/a`),
  one(
    'RUN replaces a directory',
    `${B}RUN mkdir /d && echo 1 >/d/a\nRUN rm -r /d && mkdir /d && echo 2 >/d/b`,
  ),
  one('RUN makes links', `${B}RUN echo x >/f && ln /f /g && ln -s f /h`),
  one('RUN changes a mode', `${B}RUN echo x >/f\nRUN chmod 600 /f && chown 3:4 /f`),
  one('RUN sees no CMD and no ENTRYPOINT', `${B}CMD ["x"]\nENTRYPOINT ["/none"]\nRUN echo ran >/f`),
  one(
    'RUN does not keep /etc/hosts, /dev and /proc',
    `${B}RUN echo x >>/etc/hosts; touch /dev/x; ls /proc >/dev/null`,
  ),
  one('RUN in a directory that is a volume', `${B}VOLUME /v\nRUN mkdir -p /v && echo x >/v/f`),
  one('RUN with a tilde and a glob', `${B}RUN cd ~ && echo /bin/b[u]sybox >/f`),
  one('RUN with quotes and dollars', `${B}RUN a='x y'; echo "$a" '$a' \\$a >/f`),
  one('RUN in JSON without a shell', `${B}ENV a=1\nRUN ["echo", "$a"]`),
  one('RUN of a here-document', `${B}RUN <<EOF\necho a >/f\necho $0 >>/f\nEOF`, { differs: OLD }),
  one(
    'RUN of a here-document with an interpreter',
    `${B}RUN <<EOF\n#!/bin/busybox sh\necho $0 >/f\nEOF`,
    { differs: OLD },
  ),
  one(
    'RUN of a program that reads here-documents',
    `${B}RUN cat <<A >/f && cat <<"B" >>/f\nx\nA\ny $HOME\nB`,
    { differs: OLD },
  ),
  one('RUN of a here-document that fails', `${B}RUN <<EOF\nexit 4\nEOF`, { differs: OLD }),
  one('RUN --network=none', `${B}RUN --network=none ip -o link | wc -l >/f`, { differs: OLD }),
  one('RUN --network of another', `${B}RUN --network=mars true`, { differs: OLD }),
  one('RUN --security=insecure', `${B}RUN --security=insecure true`, { differs: OLD }),
  one('RUN --mount of the context', `${B}RUN --mount=target=/ctx cat /ctx/a >/f`, {
    context: { a: 'A' },
    differs: OLD,
  }),
  one(
    'RUN --mount of a file of the context',
    `${B}RUN --mount=type=bind,source=a,target=/m/n/a cat /m/n/a >/f; ! echo x >/m/n/a`,
    { context: { a: 'A' }, differs: OLD },
  ),
  one(
    'RUN --mount to be written to',
    `${B}RUN --mount=source=d,target=/d,rw echo x >/d/a; cat /d/a >/f\nRUN --mount=source=d,target=/d,rw cat /d/a >/g`,
    { context: { 'd/a': 'A' }, differs: OLD },
  ),
  one(
    'RUN --mount of a stage',
    `FROM busybox AS s\nRUN echo s >/s\n${B}RUN --mount=from=s,source=/s,target=/t cat /t >/f`,
    { differs: OLD },
  ),
  one(
    'RUN --mount of a directory of a stage',
    `FROM busybox AS s\nRUN mkdir /s; echo s >/s/t\n${B}RUN --mount=from=s,source=s,target=/t cat /t/t >/f`,
    { differs: OLD },
  ),
  one('RUN --mount of an image', `${B}RUN --mount=from=busybox,target=/t ls /t/bin/busybox >/f`, {
    differs: OLD,
  }),
  one(
    'RUN --mount of a cache',
    `${B}RUN --mount=type=cache,target=/corpus-c,mode=0700,uid=3 stat -c "%a %u" /corpus-c >/f; echo x >/corpus-c/y`,
    { differs: OLD },
  ),
  one(
    'RUN --mount of memory',
    `${B}RUN --mount=type=tmpfs,target=/a/t,size=1m df -k /a/t | tail -1 | awk '{print $2}' >/f; touch /a/t/x`,
    { differs: OLD },
  ),
  one(
    'RUN --mount of a secret that is not given',
    `${B}RUN --mount=type=secret,id=s ls -A /run >/f`,
    { differs: OLD },
  ),
  one(
    'RUN --mount of a secret that must be given',
    `${B}RUN --mount=type=secret,id=s,required cat /run/secrets/s`,
    { differs: OLD },
  ),
  one('RUN --mount without a target', `${B}RUN --mount=type=cache true`, { differs: OLD }),
  one('RUN --mount of another type', `${B}RUN --mount=type=moon,target=/x true`, { differs: OLD }),
  one(
    'RUN --mount with a key that there is not',
    `${B}RUN --mount=type=bind,target=/x,shape=round true`,
    { differs: OLD },
  ),
  one(
    'RUN --mount over what is there',
    `${B}RUN echo x >/f\nRUN --mount=type=tmpfs,target=/tmp --mount=source=a,target=/f cat /f >/g; touch /tmp/x`,
    { context: { a: 'A' }, differs: OLD },
  ),
];
