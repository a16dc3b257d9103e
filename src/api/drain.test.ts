import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { DRAIN_MS_MAX, endAnswer } from './drain.ts';
import type { Exchange } from './exchange.ts';

/** An exchange whose client still sends; what becomes of its answer is told. */
function sending(headers: IncomingMessage['headers'], upgraded = false) {
  const request = Object.assign(new PassThrough(), { headers });
  const told: string[] = [];
  const response = {
    flushHeaders: () => told.push('head'),
    write: (bytes: Uint8Array) => told.push(`write ${String(bytes)}`),
    end: (bytes?: Uint8Array) => told.push(bytes === undefined ? 'end' : `end ${String(bytes)}`),
    destroy: () => told.push('cut'),
  };
  const upgrade = upgraded ? {} : undefined;
  return { request, told, exchange: { request, response, upgrade } as unknown as Exchange };
}

const WHY = Buffer.from('why');

test('an answer goes out before the body has been read, and ends after it', async () => {
  const { request, told, exchange } = sending({ 'content-length': '6' });
  request.write('abc');
  endAnswer(exchange, WHY);
  assert.deepEqual(told, ['write why']);
  const ended = new Promise((resolve) => request.once('end', resolve));
  request.end('def');
  await ended;
  assert.deepEqual(told, ['write why', 'end']);
});

test('without a body, or with a connection that was taken over, an answer ends at once', () => {
  for (const { told, exchange } of [
    sending({}),
    sending({ 'content-length': '0' }),
    sending({ 'content-length': '6' }, true),
  ]) {
    endAnswer(exchange, WHY);
    assert.deepEqual(told, ['end why']);
  }
});

test('a client that goes on sending for too long is cut off', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { told, exchange } = sending({ 'transfer-encoding': 'chunked' });
  endAnswer(exchange);
  t.mock.timers.tick(DRAIN_MS_MAX - 1);
  assert.deepEqual(told, ['head']);
  t.mock.timers.tick(1);
  assert.deepEqual(told, ['head', 'cut']);
});

test('a client that goes away is waited for no longer', async () => {
  const { request, told, exchange } = sending({ 'transfer-encoding': 'chunked' });
  endAnswer(exchange, WHY);
  const closed = new Promise((resolve) => request.once('close', resolve));
  request.destroy();
  await closed;
  assert.deepEqual(told, ['write why', 'end']);
});
