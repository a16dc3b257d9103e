// Our command line beside docker's on one engine: the same words print the same text and end with
// the same code, with real networks and containers behind them. Then what docker has no words for:
// ports of a running container, bandwidth, and explain.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const OURS = join(ROOT, 'bin/coracle');
let daemon: Daemon;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  await daemon.ok('network', 'create', '--label', 'a=1', '--subnet', '10.77.0.0/24', 'shop');
  const serve = 'mkdir /w; echo hi > /w/index.html; exec httpd -f -p 80 -h /w';
  const words = [
    '-d',
    '--name',
    'web',
    '--net',
    'shop',
    '-p',
    '8080:80',
    '-p',
    '127.0.0.1::53/udp',
  ];
  await daemon.ok('run', ...words, 'busybox', 'sh', '-c', serve);
  await daemon.ok('run', '-d', '--name', 'db', '--net', 'shop', 'busybox', 'sleep', '1000');
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const ours = (...words: string[]): Promise<Result> => daemon.run([OURS, ...words]);

/** The output of our command, which must succeed. */
async function said(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await ours(...words);
  assert.equal(code, 0, `coracle ${words.join(' ')}: ${stderr}\n${daemon.engine.log()}`);
  return stdout;
}

function named(result: Result): Result {
  return { ...result, stderr: result.stderr.replaceAll(/\bdocker\b/g, 'coracle') };
}

const LOOKS: readonly string[] = [
  'network ls',
  'network ls --no-trunc',
  'network ls -q -f driver=bridge',
  'network ls -f label=a=1 --format json',
  'network ls -f dangling=true',
  'network ls -f type=builtin --format {{.Name}}:{{.Driver}}:{{.IPv6}}:{{.CreatedAt}}',
  'network ls -f foo=bar',
  'network inspect shop',
  'network inspect bridge none -f {{json~.IPAM}}',
  'network inspect shop missing',
  'network inspect -f {{len~.Containers}} shop',
  'inspect shop',
  'inspect --type network web',
  'port web',
  'port web 80',
  'port web 53/udp',
  'port web 81',
  'port db',
  'port missing',
  'ps --format {{.Names}}~{{.Ports}}~{{.Networks}}',
  'container inspect -f {{json~.NetworkSettings.Networks.shop}} web',
];

for (const line of LOOKS) {
  test(`${line}: prints what docker prints`, { skip }, async () => {
    const words = line.split(' ').map((word) => word.replaceAll('~', ' '));
    const [theirs, own] = await Promise.all([daemon.docker(...words), ours(...words)]);
    assert.deepEqual(named(own), named(theirs));
  });
}

/** Each is run by docker with the names d1, d2 and by ours with o1, o2; # is the letter. */
const CHANGES: readonly string[] = [
  'network create #1',
  'network create #1',
  'network create -d macvlan -o parent=nowhere #x',
  'network create --subnet 10.77.0.0/16 #x',
  'network create --subnet 10.78.1.0/33 #x',
  'network create -d nosuch #x',
  'network create bridge',
  'network connect --alias #a #1 db',
  'network connect #1 db',
  'network connect --ip 1.2.3.4 #1 web',
  'network connect missing db',
  'network connect #1 missing',
  'network rm #1 missing',
  'network disconnect #1 db',
  'network disconnect #1 db',
  'network disconnect -f #1 missing',
  'network create --internal -o com.docker.network.bridge.name=#br0 #2',
  'network rm bridge',
  'network remove #1 #2',
  'network rm #1',
  'network rm -f #1',
  'network create #1',
  'network prune -f --filter label=of=#',
  'network create --label of=# #2',
  'network prune -f --filter label=of=#',
  'run --rm --net #missing busybox true',
  'update --restart always --pids-limit 100 db missing',
  'update --memory 1 db',
];

test('changes print and end as docker’s do, one after the other', { skip }, async () => {
  for (const line of CHANGES) {
    const as = (letter: string): string[] => line.replaceAll('#', letter).split(' ');
    const plain = ({ code, stdout, stderr }: Result, letter: string): Result => {
      const text = (one: string): string =>
        one
          .replaceAll(/\b[0-9a-f]{64}\b/g, 'ID64')
          .replaceAll(/\b[0-9a-f]{12}\b/g, 'ID12')
          .replaceAll(new RegExp(`\\b${letter}(?=[12x]?\\b|br0|missing)`, 'g'), '#');
      return { code, stdout: text(stdout), stderr: text(stderr) };
    };
    const theirs = plain(await daemon.docker(...as('d')), 'd');
    const own = plain(await ours(...as('o')), 'o');
    assert.deepEqual(named(own), named(theirs), line);
  }
});

/** What a program on the daemon's host gets from a port of its localhost; "" when nothing. */
async function fetched(port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
  const enter = ['nsenter', `--net=${daemon.engine.namespace}`, 'timeout', '5'];
  const { stdout } = await daemon.run([...enter, 'bash', '-c', script]);
  return stdout.split('\r\n\r\n')[1] ?? '';
}

type Explained = {
  readonly Groups: readonly {
    readonly Name: string;
    readonly Steps: readonly { readonly Text: string; readonly Packets: number | null }[];
  }[];
};

test('network explain tells the way of a packet, and its counters move', { skip }, async () => {
  const connections = async (): Promise<number> => {
    const text = await said('network', 'explain', 'shop', '--json');
    const { Groups: groups } = JSON.parse(text) as Explained;
    const way = groups.find(({ Name }) => Name === 'a packet from outside to a published port');
    const port = way?.Steps.find(({ Text: each }) => /^any4 \{ tcp \. 8080/.test(each));
    return port?.Packets ?? -1;
  };
  const earlier = await connections();
  assert.ok(earlier >= 0);
  assert.equal(await fetched(8080), 'hi\n');
  assert.equal(await connections(), earlier + 1);
  const text = await said('network', 'explain', 'shop');
  assert.match(text, /^Network shop: driver bridge\nid [0-9a-f]{12}\n\nWHAT IT IS MADE OF\n/);
  assert.match(text, /subnet +10\.77\.0\.0\/24 gateway 10\.77\.0\.1\n/);
  assert.match(text, /address +inet 10\.77\.0\.\d+\/24 dev eth0 in web\n/);
  assert.match(text, /A PACKET FROM A CONTAINER OUTWARDS +packets +bytes\n/);
  const missing = await ours('network', 'explain', 'nosuch');
  const refusal = 'Error response from daemon: network nosuch not found\n';
  assert.deepEqual([missing.code, missing.stderr], [1, refusal]);
});

test('ports of a running container are published, moved and withdrawn', { skip }, async () => {
  const added = await said('port', 'add', 'web', '9090:80', '127.0.0.1:9091:80');
  const lines = ['0.0.0.0:8080', '0.0.0.0:9090', '127.0.0.1:9091'];
  assert.equal(added, lines.map((line) => `80/tcp -> ${line}\n`).join(''));
  assert.deepEqual([await fetched(9090), await fetched(9091)], ['hi\n', 'hi\n']);
  const gone = ['8080:80', '127.0.0.1:9091:80'];
  assert.equal(await said('port', 'rm', 'web', ...gone), `${gone.join('\n')}\n`);
  assert.equal(await fetched(8080), '');
  assert.equal(await said('port', 'add', '--move', 'web', '9999:80'), '80/tcp -> 0.0.0.0:9999\n');
  assert.equal(await fetched(9999), 'hi\n');
  const traffic = await said('port', '--traffic', 'web', '80');
  const row =
    /^PORT +PUBLISHED AT +CONNECTIONS +PACKETS +BYTES\n80\/tcp +0\.0\.0\.0:9999 +1 +\d+ +\d+\n$/;
  assert.match(traffic, row);
  await said('restart', '-t', '0', 'web');
  assert.equal(await said('port', 'web', '80'), '0.0.0.0:9999\n');
  const missing = await ours('port', 'rm', 'web', '81');
  assert.deepEqual([missing.code, missing.stdout], [1, '']);
  assert.match(missing.stderr, /^Error response from daemon: port 81\/tcp is not published/);
  const wrong = await ours('port', 'add', 'web', 'x:80');
  assert.deepEqual([wrong.code, wrong.stderr], [1, 'invalid hostPort: x\n']);
});

test('a bandwidth is set, changed and taken away, and inspect shows it', { skip }, async () => {
  const rate = async (): Promise<unknown> => {
    const text = await said('inspect', '-f', '{{json .HostConfig}}', 'slow');
    return (JSON.parse(text) as { readonly NetRate?: unknown }).NetRate;
  };
  const words = ['--net-rate', 'in:10mbit,out:50mbit', '--net-burst', 'in:64k', '--net', 'shop'];
  await said('run', '-d', '--name', 'slow', ...words, 'busybox', 'sleep', '1000');
  const limits = {
    In: { BitsPerSecond: 10_000_000, BurstBytes: 65_536 },
    Out: { BitsPerSecond: 50_000_000 },
  };
  assert.deepEqual(await rate(), limits);
  assert.equal(await said('update', '--net-rate', 'out:1gbit', 'slow'), 'slow\n');
  assert.deepEqual(await rate(), { ...limits, Out: { BitsPerSecond: 1_000_000_000 } });
  assert.match(await said('network', 'explain', 'shop'), /in 10mbit burst 64k in slow/);
  await said('update', '--net-rate', 'none', 'slow');
  assert.equal(await rate(), undefined);
  const refused = await ours('update', '--net-rate', '1bit', 'slow');
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /invalid network rate "1bit": it is from 1kbit to 1tbit/);
});

test('explain tells how the network of a container was made, also after its end', {
  skip,
}, async () => {
  assert.match(await said('explain', 'web'), /\nNETWORK +[\d.]+ ms\n +1 +unshare\(CLONE_NEWNET\)/);
  await said('run', '--name', 'over', '--net', 'shop', 'busybox', 'true');
  const text = await said('explain', 'over');
  assert.match(text, /\nNETWORK +[\d.]+ ms\n +1 +unshare\(CLONE_NEWNET\).* [\d.]+ [µm]s\n/);
  assert.match(text, /RTM_NEWADDR: add address 10\.77\.0\.\d+\/24, link 16\n/);
  assert.match(text, /listen on 127\.0\.0\.11:53 inside/);
});

test('the shell completes networks where one is meant', { skip }, async () => {
  const answers = async (...words: string[]): Promise<readonly string[]> =>
    (await said('__complete', ...words)).split('\n').map((line) => line.split('\t', 1)[0] ?? '');
  assert.ok((await answers('network', 'inspect', '')).includes('shop'));
  assert.ok((await answers('run', '--network', '')).includes('shop'));
  assert.ok((await answers('network', 'connect', 'shop', '')).includes('db'));
  assert.ok(!(await answers('network', 'connect', 'shop', '')).includes('shop'));
  assert.deepEqual(await answers('port', 'a'), ['add', ':4', '']);
  assert.ok((await answers('port', 'add', '')).includes('web'));
});
