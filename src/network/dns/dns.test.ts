// The embedded DNS server without sockets: queries and answers are made and read by dns-packet, an
// independent codec; the forwarder is tested against servers on the loopback.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import packet, { type Packet } from 'dns-packet';
import fc from 'fast-check';
import { makeForward, parseServer } from './forward.ts';
import { parseQuery, reverseAddress } from './message.ts';
import { type DnsSandbox, NameTable } from './names.ts';
import {
  internalResolvConf,
  isSystemdStub,
  legacyResolvConf,
  ndotsOf,
  parseResolvConf,
} from './resolv-conf.ts';
import { answer, type Forward } from './resolver.ts';

const names = new NameTable();
names.set({
  id: 'e1',
  network: 'n1',
  names: ['web', '0123456789ab', 'www', 'Site.One'],
  ip4: '10.0.0.2',
  ip6: 'fd00::2',
});
names.set({ id: 'e2', network: 'n1', names: ['web2', 'www'], ip4: '10.0.0.3' });
names.set({ id: 'e3', network: 'n2', names: ['db', 'web'], ip4: '10.1.0.2' });
names.set({ id: 'e4', network: 'n3', names: ['secret'], ip4: '10.2.0.2' });

const SANDBOX: DnsSandbox = {
  id: 's',
  networks: [
    { id: 'n1', name: 'front', links: { database: 'web2' } },
    { id: 'n2', name: 'Back' },
  ],
  forwards: true,
  servers: ['192.0.2.53'],
  ndots: 0,
};

function query(name: string, type = 'A', more: Partial<Packet> = {}): Buffer {
  const questions = [{ type: type as 'A', name, class: 'IN' as const }];
  return Buffer.from(
    packet.encode({ type: 'query', id: 77, flags: packet.RECURSION_DESIRED, questions, ...more }),
  );
}

const noForward: Forward = async () => assert.fail('it is not to be forwarded');

async function ask(
  message: Buffer,
  options: { sandbox?: DnsSandbox; forward?: Forward; tcp?: boolean; names?: NameTable } = {},
) {
  const given = await answer({
    message,
    tcp: false,
    sandbox: SANDBOX,
    names,
    forward: noForward,
    ...options,
  });
  assert.ok(given, 'there is an answer');
  const decoded = packet.decode(given);
  assert.equal(decoded.id, message.readUInt16BE(0));
  assert.ok(decoded.flag_qr && decoded.flag_ra);
  const rcode = given.readUInt16BE(2) & 0xf;
  const data = (decoded.answers ?? []).map((one) => ('data' in one ? String(one.data) : ''));
  return { rcode, data, decoded, bytes: given };
}

test('a name, an alias, a short id and a name with its network are found in any case', async () => {
  for (const name of ['web', 'WEB', '0123456789ab', 'site.one', 'web.front', 'Web.FRONT', 'web.']) {
    const { rcode, data, decoded } = await ask(query(name));
    assert.deepEqual([rcode, data], [0, ['10.0.0.2']], name);
    assert.equal(
      decoded.answers?.[0] && 'ttl' in decoded.answers[0] && decoded.answers[0].ttl,
      600,
    );
    assert.equal(
      decoded.questions?.[0]?.name,
      name.replace(/\.$/, ''),
      'the question is repeated as it came',
    );
  }
  assert.deepEqual((await ask(query('web.back'))).data, ['10.1.0.2']);
  assert.deepEqual((await ask(query('db'))).data, ['10.1.0.2']);
  assert.deepEqual((await ask(query('web', 'AAAA'))).data, ['fd00::2']);
});

test('a known name without a record of the type is "no data", not "no such name"', async () => {
  for (const type of ['AAAA', 'MX', 'TXT', 'SRV']) {
    const { rcode, data } = await ask(query('db', type));
    assert.deepEqual([rcode, data], [0, []], type);
  }
});

test('an alias of several containers gives all, each time another one first', async () => {
  const firsts = new Set<string>();
  for (let n = 0; n < 4; n += 1) {
    const { data } = await ask(query('www'));
    assert.deepEqual(data.toSorted(), ['10.0.0.2', '10.0.0.3']);
    firsts.add(data[0] ?? '');
  }
  assert.equal(firsts.size, 2);
});

test('a link is known to its container only', async () => {
  assert.deepEqual((await ask(query('database'))).data, ['10.0.0.3']);
  const sandbox = { ...SANDBOX, networks: [{ id: 'n1', name: 'front' }], forwards: false };
  assert.equal((await ask(query('database'), { sandbox })).rcode, 2);
});

test('a network that the container is not on gives nothing away', async () => {
  const sandbox = { ...SANDBOX, forwards: false };
  for (const name of ['secret', 'secret.n3', '2.0.2.10.in-addr.arpa']) {
    assert.equal(
      (await ask(query(name, name.endsWith('arpa') ? 'PTR' : 'A'), { sandbox })).rcode,
      2,
    );
  }
});

test('an address leads back to its name', async () => {
  assert.deepEqual((await ask(query('2.0.0.10.in-addr.arpa', 'PTR'))).data, ['web.front']);
  assert.deepEqual((await ask(query('2.0.1.10.IN-ADDR.arpa', 'PTR'))).data, ['db.Back']);
  const six = `2.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`;
  assert.deepEqual((await ask(query(six, 'PTR'))).data, ['web.front']);
  assert.equal(reverseAddress('1.2.3.in-addr.arpa'), undefined);
});

test('what is not known goes upstream as it came, and comes back as it is', async () => {
  const message = query('example.com');
  const upstream = Buffer.from('any bytes');
  const seen: unknown[] = [];
  const forward: Forward = async (sent, options) => {
    seen.push(sent, options);
    return upstream;
  };
  const given = await answer({ message, tcp: true, sandbox: SANDBOX, names, forward });
  assert.equal(given, upstream);
  assert.deepEqual(seen, [message, { servers: ['192.0.2.53'], tcp: true }]);
});

test('no upstream is SERVFAIL, too many at once REFUSED, internal networks are never forwarded', async () => {
  const forward =
    (result: Awaited<ReturnType<Forward>>): Forward =>
    async () =>
      result;
  assert.equal((await ask(query('x.com'), { forward: forward(undefined) })).rcode, 2);
  assert.equal((await ask(query('x.com'), { forward: forward('busy') })).rcode, 5);
  assert.equal((await ask(query('x.com'), { sandbox: { ...SANDBOX, forwards: false } })).rcode, 2);
  assert.equal((await ask(query('x.com'), { sandbox: { ...SANDBOX, servers: [] } })).rcode, 2);
  assert.equal((await ask(query('single'), { sandbox: { ...SANDBOX, ndots: 1 } })).rcode, 3);
});

test('an answer that does not fit is cut and says so; by TCP all of it comes', async () => {
  const many = new NameTable();
  for (let n = 0; n < 100; n += 1) {
    many.set({ id: `e${n}`, network: 'n1', names: ['many'], ip4: `10.0.1.${n}` });
  }
  const short = await ask(query('many'), { names: many });
  assert.ok(short.bytes.length <= 512 && short.decoded.flag_tc && short.data.length > 25);
  const additionals = [
    { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as never,
  ];
  const extended = await ask(query('many', 'A', { additionals }), { names: many });
  assert.ok(extended.bytes.length <= 1232 && extended.data.length > short.data.length);
  assert.equal(extended.decoded.additionals?.[0]?.type, 'OPT');
  const whole = await ask(query('many'), { names: many, tcp: true });
  assert.deepEqual([whole.data.length, whole.decoded.flag_tc], [100, false]);
});

test('a query that is none is refused or dropped', async () => {
  const drop = async (message: Buffer) =>
    assert.equal(
      await answer({ message, tcp: false, sandbox: SANDBOX, names, forward: noForward }),
      undefined,
    );
  await drop(Buffer.alloc(0));
  await drop(Buffer.alloc(11));
  await drop(Buffer.from(packet.encode({ type: 'response', id: 1 })));
  const rcodeOf = async (message: Buffer) => (await ask(message)).rcode;
  const twice = query('web', 'A', {
    questions: [
      { type: 'A', name: 'web' },
      { type: 'A', name: 'db' },
    ],
  });
  assert.equal(await rcodeOf(twice), 1);
  assert.equal(await rcodeOf(query('web').subarray(0, 14)), 1);
  assert.equal(
    await rcodeOf(Buffer.from(packet.encode({ type: 'query', id: 1, questions: [] }))),
    1,
  );
  const pointer = Buffer.concat([query('web').subarray(0, 12), Buffer.from('c00c00010001', 'hex')]);
  assert.equal(await rcodeOf(pointer), 1);
  const update = query('web');
  update.writeUInt16BE(0x2800, 2);
  assert.equal(await rcodeOf(update), 4);
  const chaos = query('version.bind', 'TXT', {
    questions: [{ type: 'TXT', name: 'version.bind', class: 'CH' }],
  });
  assert.equal(await rcodeOf(chaos), 5);
});

test('a label with a dot or odd bytes inside is not another container’s name', async () => {
  const forward: Forward = async () => undefined;
  for (const label of ['web.front', 'we\\b', 'web\n', 'w\u0000b']) {
    const bytes = Buffer.from(label);
    const question = Buffer.concat([
      Buffer.of(bytes.length),
      bytes,
      Buffer.from('0000010001', 'hex'),
    ]);
    const message = Buffer.concat([query('web').subarray(0, 12), question]);
    const given = await answer({ message, tcp: false, sandbox: SANDBOX, names, forward });
    assert.equal((given?.readUInt16BE(2) ?? 0) & 0xf, 2, label);
  }
});

test('any bytes are answered or dropped, never thrown', async () => {
  const forward: Forward = async () => undefined;
  const base = query('www', 'A', {
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never],
  });
  const changed = fc
    .array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 12 })
    .chain((edits) =>
      fc.nat(base.length).map((end) => {
        const copy = Buffer.from(base);
        for (const [at, byte] of edits) copy[at] = byte;
        return copy.subarray(0, end === 0 ? copy.length : Math.max(end, 12));
      }),
    );
  const random = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, random), fc.boolean(), async (message, tcp) => {
      const given = await answer({ message, tcp, sandbox: SANDBOX, names, forward });
      if (given === undefined) return;
      assert.ok(given.length >= 12 && (tcp || given.length <= 1232));
      assert.equal(given.readUInt16BE(0), message.readUInt16BE(0));
      const parsed = parseQuery(message);
      if (parsed.kind === 'query') packet.decode(given);
    }),
    { numRuns: 1500 },
  );
});

test('a name table forgets what is taken out, and replaces what comes again', () => {
  const table = new NameTable();
  const one = { id: 'a', network: 'n', names: ['X', 'y'], ip4: '10.0.0.1', ip6: 'FD00:0::1' };
  table.set(one);
  table.set({ ...one, names: ['z'], ip4: '10.0.0.2' });
  assert.deepEqual([table.find('n', 'x'), table.findAddress('n', '10.0.0.1')], [[], undefined]);
  assert.equal(table.findAddress('n', 'fd00::1')?.id, 'a');
  // Another endpoint may have got the address before the old one is gone.
  table.set({ id: 'b', network: 'n', names: ['b'], ip4: '10.0.0.2' });
  table.delete('a');
  assert.equal(table.findAddress('n', '10.0.0.2')?.id, 'b');
  table.delete('b');
  table.delete('b');
  assert.equal(table.size, 0);
});

/** An upstream server on the loopback by UDP and TCP; `reply` undefined is silence. */
async function upstream(
  reply: (message: Buffer, tcp: boolean) => Buffer | readonly Buffer[] | undefined,
) {
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const one of [reply(chunk.subarray(2), true) ?? []].flat()) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(one.length, 0);
        // In two parts, as a network may.
        socket.write(Buffer.concat([length, one.subarray(0, 5)]));
        setImmediate(() => socket.write(one.subarray(5)));
      }
    });
  }).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    for (const one of [reply(message, false) ?? []].flat()) udp.send(one, from.port, from.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  return {
    server: `127.0.0.1#${port}`,
    [Symbol.dispose]: () => {
      tcp.close();
      udp.close();
    },
  };
}

function reply(message: Buffer, ip: string, rcode = 0): Buffer {
  const { id, questions } = packet.decode(message);
  const name = questions?.[0]?.name ?? '';
  const answers = [{ type: 'A' as const, name, data: ip, ttl: 5 }];
  const bytes = Buffer.from(
    packet.encode({ type: 'response', id: id ?? 0, questions: questions ?? [], answers }),
  );
  bytes.writeUInt16BE(bytes.readUInt16BE(2) | rcode, 2);
  return bytes;
}

test('upstream is asked by UDP or TCP with an id of our own, and the next server where one fails', async () => {
  const ids = new Set<number>();
  using good = await upstream((message) => {
    ids.add(message.readUInt16BE(0));
    return reply(message, '192.0.2.80');
  });
  using broken = await upstream((message) => reply(message, '192.0.2.81', 2));
  using silent = await upstream(() => undefined);
  const forward = makeForward({ tryMs: 150 });
  for (const tcp of [false, true]) {
    for (const servers of [
      [good.server],
      [broken.server, good.server],
      [silent.server, good.server],
      ['127.0.0.1#1', 'nonsense', good.server],
    ]) {
      const given = await forward(query('example.com'), { servers, tcp });
      assert.ok(Buffer.isBuffer(given));
      assert.equal(given.readUInt16BE(0), 77);
      assert.equal(packet.decode(given).answers?.length, 1);
    }
    const failed = await forward(query('example.com'), { servers: [broken.server], tcp });
    assert.equal(Buffer.isBuffer(failed) && failed.readUInt16BE(2) & 0xf, 2);
    assert.equal(await forward(query('x.com'), { servers: [silent.server], tcp }), undefined);
    assert.equal(await forward(query('x.com'), { servers: [], tcp }), undefined);
  }
  assert.ok(ids.size > 4 && !(ids.size === 1 && ids.has(77)));
});

test('a forged answer is not taken, the right one behind it is', async () => {
  using server = await upstream((message, tcp) => {
    if (tcp) return reply(message, '192.0.2.1');
    const otherId = Buffer.from(reply(message, '192.0.2.66'));
    otherId.writeUInt16BE((message.readUInt16BE(0) + 1) & 0xffff, 0);
    const otherName = reply(query('evil.com'), '192.0.2.66');
    otherName.writeUInt16BE(message.readUInt16BE(0), 0);
    return [otherId, otherName, Buffer.alloc(3), message, reply(message, '192.0.2.1')];
  });
  const given = await makeForward({ tryMs: 500 })(query('example.com'), {
    servers: [server.server],
    tcp: false,
  });
  assert.ok(Buffer.isBuffer(given));
  const [first] = packet.decode(given).answers ?? [];
  assert.equal(first && 'data' in first && first.data, '192.0.2.1');
});

test('no more than so many queries are under way', async () => {
  using silent = await upstream(() => undefined);
  const forward = makeForward({ tryMs: 100, concurrent: 2 });
  const options = { servers: [silent.server], tcp: false };
  const all = await Promise.all([1, 2, 3].map(() => forward(query('x.com'), options)));
  assert.deepEqual(all, [undefined, undefined, 'busy']);
  assert.equal(await forward(query('x.com'), options), undefined);
});

test('servers are addresses, with a port where one is given', () => {
  assert.deepEqual(parseServer('192.0.2.1'), { host: '192.0.2.1', port: 53 });
  assert.deepEqual(parseServer('[2001:db8::1]#5353'), { host: '2001:db8::1', port: 5353 });
  assert.deepEqual(parseServer('fe80::1%eth0'), { host: 'fe80::1%eth0', port: 53 });
  for (const bad of [
    '',
    'localhost',
    '1.2.3',
    '1.2.3.4#0',
    '1.2.3.4#99999',
    '1.2.3.4 ',
    '1.2.3.4\n',
  ]) {
    assert.equal(parseServer(bad), undefined, bad);
  }
});

const HOST_TEXT = [
  '# comment',
  'domain old.example',
  'nameserver 127.0.0.53',
  'nameserver 192.0.2.53 # inline',
  'nameserver not-an-address',
  'nameserver fe80::1%eth0',
  'search a.example b.example',
  'options edns0 trust-ad',
  'options timeout:2',
  'sortlist 1.2.3.4',
  '',
].join('\n');

test('the host’s resolv.conf is read as the resolver library reads it', () => {
  assert.deepEqual(parseResolvConf(HOST_TEXT), {
    servers: ['127.0.0.53', '192.0.2.53', 'fe80::1%eth0'],
    search: ['a.example', 'b.example'],
    options: ['edns0', 'trust-ad', 'timeout:2'],
  });
  assert.ok(isSystemdStub(parseResolvConf('nameserver 127.0.0.53\n')));
  assert.ok(!isSystemdStub(parseResolvConf(HOST_TEXT)));
  assert.deepEqual(parseResolvConf(''), { servers: [], search: [], options: [] });
});

test('a container of a user-defined network asks 127.0.0.11, and the file says why', () => {
  const host = {
    path: '/etc/resolv.conf',
    conf: parseResolvConf('nameserver 192.0.2.53\nsearch a.example\n'),
  };
  const plain = internalResolvConf(host, {});
  assert.equal(
    plain,
    [
      '# Generated by Docker Engine.',
      '# This file can be edited; Docker Engine will not make further changes once it',
      '# has been modified.',
      '',
      'nameserver 127.0.0.11',
      'search a.example',
      'options ndots:0',
      '',
      "# Based on host file: '/etc/resolv.conf' (internal resolver)",
      '# ExtServers: [host(192.0.2.53)]',
      '# Overrides: []',
      '# Option ndots from: internal',
      '',
    ].join('\n'),
  );
  const own = internalResolvConf(host, {
    servers: ['192.0.2.1'],
    search: ['.'],
    options: ['ndots:3', 'rotate'],
  });
  assert.match(own, /nameserver 127\.0\.0\.11\noptions ndots:3 rotate\n/);
  assert.match(
    own,
    /ExtServers: \[192\.0\.2\.1\]\n# Overrides: \[nameservers search options\]\n# Option ndots from: override/,
  );
  assert.equal(ndotsOf(['ndots:3', 'rotate']), 3);
});

test('a container of the default bridge asks the servers itself, never the host’s loopback', () => {
  const host = { path: '/etc/resolv.conf', conf: parseResolvConf(HOST_TEXT) };
  assert.match(
    legacyResolvConf(host, {}, { ipv6: true }),
    /\nnameserver 192\.0\.2\.53\nnameserver fe80::1%eth0\nsearch a\.example b\.example\noptions edns0/,
  );
  const only4 = legacyResolvConf(host, {}, { ipv6: false });
  assert.match(only4, /\nnameserver 192\.0\.2\.53\nsearch/);
  const alone = { ...host, conf: parseResolvConf('nameserver 127.0.0.1\n') };
  assert.match(
    legacyResolvConf(alone, {}, { ipv6: false }),
    /nameserver 8\.8\.8\.8\nnameserver 8\.8\.4\.4\n\n.*\n# Used default nameservers\.\n/,
  );
  assert.match(legacyResolvConf(alone, {}, { ipv6: true }), /nameserver 2001:4860:4860::8888\n/);
  const shared = legacyResolvConf(host, { search: ['.'] }, { ipv6: true, sharesHost: true });
  assert.match(shared, /\nnameserver 127\.0\.0\.53\nnameserver 192\.0\.2\.53\n/);
  const own = legacyResolvConf(host, { servers: ['192.0.2.9'] }, { ipv6: false });
  assert.match(own, /\nnameserver 192\.0\.2\.9\n[\s\S]*# Overrides: \[nameservers\]/);
});
