// Names without sockets: what a sandbox's endpoints mean to the embedded DNS, and the two files of
// a container whose lines are names.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { checkAliases, checkDns, parseLink } from './check.ts';
import { describe } from './describe.ts';
import { HostResolvConf } from './host-file.ts';
import { changeHosts, hostsText, ownLines, parseExtraHost } from './hosts.ts';
import { plugged } from './testing-plugged.ts';

const refused = (run: () => unknown, text: RegExp): void => {
  assert.throws(
    run,
    (error) => isEngineError(error, 'invalid_argument') && text.test(error.message),
  );
};

test('only user-defined networks have names, in the order of the routes', () => {
  const { endpoints, networks, forwards } = describe(
    plugged('web', [
      { network: 'front', ip: '10.1.0.2', aliases: ['www'] },
      { network: 'bridge', ip: '172.17.0.2' },
      { network: 'back', ip: '10.2.0.2', ip6: 'fd00::2', internal: true },
    ]),
  );
  assert.deepEqual(
    networks.map(({ name }) => name),
    ['front', 'back'],
  );
  assert.deepEqual(
    endpoints.map(({ names, ip4, ip6 }) => [names, ip4, ip6]),
    [
      [['web', 'www'], '10.1.0.2', undefined],
      [['web'], '10.2.0.2', 'fd00::2'],
    ],
  );
  assert.equal(forwards, true);
});

test('a container whose networks are all internal asks nobody outside', () => {
  const { forwards } = describe(
    plugged('db', [
      { network: 'a', internal: true },
      { network: 'b', internal: true },
    ]),
  );
  assert.equal(forwards, false);
});

test('a link names its target by name, or by id in any length', () => {
  const id = 'ab'.repeat(32);
  const { networks } = describe(
    plugged('web', [{ network: 'front', links: ['db:database', 'cache', `${id}:byid`] }]),
  );
  assert.deepEqual(networks[0]?.links, { database: 'db', cache: 'cache', byid: 'abababababab' });
  assert.deepEqual(parseLink('/db:/web/database'), { container: 'db', alias: 'database' });
  refused(() => parseLink(''), /^empty string specified for links$/);
  for (const bad of [':', 'a:', ':b', 'a:b:c']) {
    refused(() => parseLink(bad), new RegExp(`^bad format for links: ${bad}$`));
  }
});

test('forged names, addresses and options are refused', () => {
  const forged = ['a\nb', 'a b', 'a\tb', '-a', 'a..b', '.a', 'a#b', 'é', '\u0000', ''];
  for (const name of [...forged, 'a'.repeat(64), `${'a.'.repeat(126)}ab`]) {
    refused(() => checkAliases([name]), /^invalid network alias /);
    if (name !== '') refused(() => checkDns({ search: [name] }), /^invalid DNS search domain /);
  }
  checkAliases(['a', 'db_1', 'A.b-c', '*.example.com', `${'a.'.repeat(126)}a`]);
  refused(() => checkAliases(new Array(2000).fill('a')), /^too many network aliases: 2000/);
  for (const server of ['', 'dns.example', '1.2.3', '1.1.1.1\nnameserver 6.6.6.6', '1.1.1.1#53']) {
    refused(
      () => checkDns({ servers: [server] }),
      /^invalid DNS server .* must be an IPv4 or IPv6/,
    );
  }
  for (const option of ['', 'a b', 'ndots:1\nnameserver 6.6.6.6', '-x', '#', 'a'.repeat(200)]) {
    refused(() => checkDns({ options: [option] }), /^invalid DNS option /);
  }
  const many = new Array(100).fill('a');
  refused(() => checkDns({ search: many }), /^too many DNS search domains: 100 \(at most 64\)$/);
  refused(() => checkDns({ options: many }), /^too many DNS options/);
  refused(() => checkDns({ servers: many }), /^too many DNS servers/);
  checkDns({ servers: ['1.1.1.1', '2001:db8::1'], search: ['.'], options: ['ndots:2', 'edns0'] });
  checkDns({});
  refused(() => parseExtraHost('nocolon'), /^bad format for add-host: "nocolon"$/);
  refused(() => parseExtraHost('a\nb:1.1.1.1'), /^invalid name in add-host/);
  refused(() => parseExtraHost('a:b'), /^invalid IP address in add-host: "b"$/);
});

const OWN = { hostname: 'abc123', domainname: '', addresses: ['172.17.0.2', 'fd00::2'] };

test('/etc/hosts has the lines that Docker writes, in its order', () => {
  const text = hostsText({
    ...OWN,
    extraHosts: ['gw:host-gateway', 'six:[2001:db8::1]', 'four:192.0.2.1'].map(parseExtraHost),
    links: [
      { alias: 'db', name: 'db', hostname: 'h1', addresses: ['172.17.0.3'] },
      { alias: 'other', name: 'db', hostname: 'h1', addresses: ['172.17.0.3', 'fd00::3'] },
    ],
    hostGateway: ['172.17.0.1', 'fd00::1'],
  });
  assert.equal(
    text,
    [
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::\tip6-localnet',
      'ff00::\tip6-mcastprefix',
      'ff02::1\tip6-allnodes',
      'ff02::2\tip6-allrouters',
      '172.17.0.1\tgw',
      'fd00::1\tgw',
      '2001:db8::1\tsix',
      '192.0.2.1\tfour',
      '172.17.0.3\tdb h1',
      '172.17.0.3\tother h1 db',
      'fd00::3\tother h1 db',
      '172.17.0.2\tabc123',
      'fd00::2\tabc123',
      '',
    ].join('\n'),
  );
});

test('a host name with a domain is known in full and bare', () => {
  const lines = ['10.0.0.2\tweb.example.com web'];
  const addresses = ['10.0.0.2'];
  assert.deepEqual(ownLines({ hostname: 'web', domainname: 'example.com', addresses }), lines);
  assert.deepEqual(ownLines({ hostname: 'web.example.com', domainname: '', addresses }), lines);
});

test('the host’s own text stays for who shares its network; IPv6 lines only where it is', () => {
  const plain = { ...OWN, addresses: [], extraHosts: [], links: [], hostGateway: [] };
  assert.equal(hostsText({ ...plain, base: '127.0.0.1 me\n\n' }), '127.0.0.1 me\n');
  assert.equal(hostsText({ ...plain, ipv6: false }), '127.0.0.1\tlocalhost\n');
});

test('host-gateway without a bridge to lead there is refused', () => {
  const extraHosts = [parseExtraHost('gw:host-gateway')];
  refused(
    () => hostsText({ ...OWN, extraHosts, links: [], hostGateway: [] }),
    /^unable to derive the IP value for host-gateway$/,
  );
});

test('a change of a running container’s hosts keeps what its programs wrote', () => {
  const text = '127.0.0.1\tlocalhost\n10.0.0.2\tweb\n\n# mine\n10.9.9.9 mine';
  assert.equal(
    changeHosts(text, { remove: ['10.0.0.2\tweb'], add: ['10.0.0.3\tweb'] }),
    '127.0.0.1\tlocalhost\n\n# mine\n10.9.9.9 mine\n10.0.0.3\tweb\n',
  );
  assert.equal(changeHosts('', { remove: [], add: ['a'] }), 'a\n');
});

test('the host’s resolv.conf is read past systemd’s stub, and again only when it changed', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'coracle-names-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [file, behindStub] = [join(directory, 'resolv.conf'), join(directory, 'behind')];
  const host = new HostResolvConf({ file, behindStub });
  assert.deepEqual(host.read().conf, { servers: [], search: [], options: [] });
  writeFileSync(file, 'nameserver 127.0.0.53\nsearch a.example\n');
  assert.equal(host.read().text, 'nameserver 127.0.0.53\nsearch a.example\n');
  assert.deepEqual(host.read().conf.servers, ['127.0.0.53']);
  assert.equal(host.read().conf, host.read().conf);
  writeFileSync(behindStub, 'nameserver 192.0.2.53\n');
  assert.deepEqual([host.read().path, host.read().conf.servers], [behindStub, ['192.0.2.53']]);
  rmSync(file);
  symlinkSync(behindStub, file);
  assert.deepEqual([host.read().path, host.read().conf.servers], [file, ['192.0.2.53']]);
  writeFileSync(behindStub, 'nameserver 192.0.2.54\nnameserver 192.0.2.55\n');
  assert.deepEqual(host.read().conf.servers, ['192.0.2.54', '192.0.2.55']);
});
