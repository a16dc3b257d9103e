// How a registry is reached through proxies that the other tests do not have.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { Connections } from './connection.ts';

const TLS_HANDSHAKE = 0x16;

test('a proxy of SOCKS is spoken to plainly, and told the name of a registry', async () => {
  const heard: Buffer[] = [];
  const server = createServer((client) => {
    client.on('error', () => {});
    client.on('data', (data: Buffer) => {
      heard.push(data);
      if (heard.length === 1) client.write(Buffer.of(5, 0));
      else if (heard.length === 2) client.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
      else client.destroy();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const connections = new Connections({
    certsDirectories: [],
    insecure: [],
    environment: { HTTPS_PROXY: `socks5://127.0.0.1:${port}` },
    connectMs: 5_000,
  });
  try {
    const dispatcher = await connections.to(new URL('https://reg.test/v2/'), 'reg.test');
    const asked = dispatcher.request({ origin: 'https://reg.test', path: '/v2/', method: 'GET' });
    await assert.rejects(asked);
    const [greeting, wish, inside] = heard;
    assert.equal(greeting?.[0], 5);
    assert.equal(wish?.subarray(5, -2).toString(), 'reg.test');
    assert.equal(inside?.[0], TLS_HANDSHAKE);
    await dispatcher.destroy();
  } finally {
    server.close();
  }
});
