// pax extended header records, "%d %s=%s\n" (pax(1), "pax Extended Header"). Keys and values are
// binary strings: with hdrcharset=BINARY they may be any bytes, and Linux names may be too.
import { corrupt, tooBig } from './header.ts';

/** Bytes of one extended header; as Go's archive/tar, which Docker uses. */
export const PAX_BYTES_MAX = 1024 * 1024;
/** Records in one extended header. */
export const PAX_RECORDS_MAX = 16_384;

export type PaxRecord = { readonly key: string; readonly value: string };

/** Splits a header body into records, in order: GNU sparse 0.0 repeats keys. */
export function parsePax(body: Buffer): PaxRecord[] {
  const records: PaxRecord[] = [];
  let offset = 0;
  while (offset < body.length) {
    // Some writers pad the body with NULs.
    if (body[offset] === 0) break;
    const record = parseRecord(body, offset);
    if (records.length === PAX_RECORDS_MAX) {
      throw tooBig('number of pax records', 'PAX_RECORDS_MAX', PAX_RECORDS_MAX);
    }
    records.push(record.record);
    offset = record.end;
  }
  return records;
}

function parseRecord(body: Buffer, start: number): { record: PaxRecord; end: number } {
  const space = body.indexOf(0x20, start);
  if (space < 0 || space === start || space - start > 8) throw corrupt('bad pax record length');
  const digits = body.toString('latin1', start, space);
  if (!/^[0-9]+$/.test(digits)) throw corrupt('bad pax record length');
  const end = start + Number(digits);
  if (end > body.length || end <= space + 1 || body[end - 1] !== 0x0a) {
    throw corrupt('bad pax record length');
  }
  const equals = body.indexOf(0x3d, space + 1);
  if (equals < 0 || equals >= end) throw corrupt('pax record without a key');
  const key = body.toString('latin1', space + 1, equals);
  if (key === '' || key.includes('\0')) throw corrupt('bad pax record key');
  return { record: { key, value: body.toString('latin1', equals + 1, end - 1) }, end };
}

/** Decimal seconds with an optional fraction and sign, as nanoseconds. */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)(\d{1,18})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw corrupt('bad pax time');
  const fraction = (match[3] ?? '').slice(0, 9).padEnd(9, '0');
  const ns = BigInt(match[2] ?? '0') * 1_000_000_000n + BigInt(fraction);
  return match[1] === '-' ? -ns : ns;
}

export function parsePaxInteger(text: string, what: string): bigint {
  if (!/^-?\d{1,20}$/.test(text)) throw corrupt(`bad pax ${what}`);
  return BigInt(text);
}

/** One record; its length counts its own digits. */
export function encodePaxRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

export function formatPaxTime(ns: bigint): string {
  const negative = ns < 0n;
  const value = negative ? -ns : ns;
  const fraction = String(value % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${negative ? '-' : ''}${value / 1_000_000_000n}`;
  return fraction === '' ? seconds : `${seconds}.${fraction}`;
}
