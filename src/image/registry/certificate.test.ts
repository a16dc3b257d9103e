import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateFiles } from './certificate.ts';

const files = (...names: string[]) => certificateFiles('/certs.d/reg', names);

test('.crt files are authorities, .cert files ours with a .key each', () => {
  assert.deepEqual(files('b.crt', 'client.key', 'a.crt', 'README', 'client.cert'), {
    authorities: ['a.crt', 'b.crt'],
    pairs: [{ certificate: 'client.cert', key: 'client.key' }],
  });
  assert.deepEqual(files(), { authorities: [], pairs: [] });
});

test('a certificate without its key and a key without its certificate are told', () => {
  assert.throws(
    () => files('client.cert'),
    /\/certs\.d\/reg: missing key client\.key for client certificate client\.cert\. CA/,
  );
  assert.throws(
    () => files('client.key', 'client.crt'),
    /missing client certificate client\.cert for key client\.key/,
  );
});
