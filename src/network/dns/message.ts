// DNS messages as far as a resolver of container names needs them (RFC 1035, section 4; RFC 6891
// for EDNS): the question of a query, and an answer of A, AAAA and PTR records. Everything else
// passes through as bytes. Bytes come from containers: nothing here throws on them.

export const MESSAGE_BYTES_MAX = 65_535;
/** What every client can receive by UDP (RFC 1035, 2.3.4). */
export const UDP_BYTES_MIN = 512;
/** What we claim and use at most by UDP, below any path's MTU (DNS flag day 2020). */
export const UDP_BYTES_MAX = 1232;
/** Docker's; names change only with a restart of their container, which tells nobody. */
export const TTL_SECONDS = 600;

export const TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41 } as const;
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

const CLASS_IN = 1;
const HEADER_BYTES = 12;
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
/** OPT and a signature; a query with more is no query of a resolver library. */
const ADDITIONAL_MAX = 2;

export type Query = {
  readonly id: number;
  /** Second 16 bits of the header. */
  readonly flags: number;
  /** Lower case, without the last dot; bytes that a name of ours cannot have are written \DDD. */
  readonly name: string;
  readonly type: number;
  readonly isInternet: boolean;
  /** The question as it came: an answer repeats it byte by byte, upper case included. */
  readonly question: Buffer;
  /** Size that the client can receive by UDP; undefined without EDNS. */
  readonly udpBytes: number | undefined;
};

export type Parsed =
  | { readonly kind: 'query'; readonly query: Query }
  /** To be told so. */
  | { readonly kind: 'error'; readonly answer: Buffer }
  /** Not even a header, or an answer: silence, so that two resolvers never talk for ever. */
  | { readonly kind: 'drop' };

export type DnsRecord =
  | { readonly type: typeof TYPE.A | typeof TYPE.AAAA; readonly address: Uint8Array }
  | { readonly type: typeof TYPE.PTR; readonly target: string };

/** A name at `at`, without compression: a question has nothing to point back to. */
function readName(message: Buffer, at: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let position = at;
  for (;;) {
    const length = message[position];
    if (length === undefined || length > LABEL_BYTES_MAX) return undefined;
    position += 1;
    if (length === 0) break;
    const label = message.subarray(position, position + length);
    if (label.length < length) return undefined;
    position += length;
    if (position - at >= NAME_BYTES_MAX) return undefined;
    labels.push(labelText(label));
  }
  return { name: labels.join('.'), end: position };
}

function labelText(label: Buffer): string {
  let text = '';
  for (const byte of label) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
  }
  return text.toLowerCase();
}

/** The end of a name that may be compressed; it is not followed. */
function skipName(message: Buffer, at: number): number | undefined {
  let position = at;
  for (;;) {
    const length = message[position];
    if (length === undefined) return undefined;
    if (length >= 0xc0) return position + 2;
    if (length > LABEL_BYTES_MAX) return undefined;
    position += 1 + length;
    if (length === 0) return position;
  }
}

/** `udpBytes` of the OPT record; "bad" where the records do not fit the message. */
function readAdditional(message: Buffer, start: number, count: number): number | undefined | 'bad' {
  let at = start;
  let udpBytes: number | undefined;
  for (let index = 0; index < count; index += 1) {
    const fixed = skipName(message, at);
    if (fixed === undefined || fixed + 10 > message.length) return 'bad';
    if (message.readUInt16BE(fixed) === TYPE.OPT) udpBytes = message.readUInt16BE(fixed + 2);
    at = fixed + 10 + message.readUInt16BE(fixed + 8);
    if (at > message.length) return 'bad';
  }
  return udpBytes;
}

export function parseQuery(message: Buffer): Parsed {
  if (message.length < HEADER_BYTES || message.length > MESSAGE_BYTES_MAX) return { kind: 'drop' };
  const id = message.readUInt16BE(0);
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return { kind: 'drop' };
  const refuse = (rcode: Rcode): Parsed => ({
    kind: 'error',
    answer: headerOnly(id, flags, rcode),
  });
  if ((flags & 0x7800) !== 0) return refuse(RCODE.NOTIMP);
  const counts = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  const [questions = 0, answers = 0, authorities = 0, additional = 0] = counts;
  if (questions !== 1 || answers + authorities > 0 || additional > ADDITIONAL_MAX) {
    return refuse(RCODE.FORMERR);
  }
  const read = readName(message, HEADER_BYTES);
  if (read === undefined || read.end + 4 > message.length) return refuse(RCODE.FORMERR);
  const end = read.end + 4;
  const udpBytes = readAdditional(message, end, additional);
  if (udpBytes === 'bad') return refuse(RCODE.FORMERR);
  const query: Query = {
    id,
    flags,
    name: read.name,
    type: message.readUInt16BE(read.end),
    isInternet: message.readUInt16BE(read.end + 2) === CLASS_IN,
    question: message.subarray(HEADER_BYTES, end),
    udpBytes,
  };
  return { kind: 'query', query };
}

/** QR and RA set, RD and CD as asked, TC by `truncated`. */
const answerFlags = (flags: number, rcode: Rcode, truncated: boolean): number =>
  0x8000 | (flags & 0x7910) | 0x0080 | (truncated ? 0x0200 : 0) | rcode;

function header(id: number, flags: number, counts: readonly [number, number, number]): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  const [questions, answers, additional] = counts;
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(questions, 4);
  bytes.writeUInt16BE(answers, 6);
  bytes.writeUInt16BE(additional, 10);
  return bytes;
}

const headerOnly = (id: number, flags: number, rcode: Rcode): Buffer =>
  header(id, answerFlags(flags, rcode, false), [0, 0, 0]);

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label).subarray(0, LABEL_BYTES_MAX);
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  return Buffer.concat([...parts, Buffer.of(0)]);
}

function encodeRecord(record: DnsRecord): Buffer {
  const data = record.type === TYPE.PTR ? encodeName(record.target) : Buffer.from(record.address);
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(0xc000 | HEADER_BYTES, 0); // the question's name (RFC 1035, 4.1.4)
  fixed.writeUInt16BE(record.type, 2);
  fixed.writeUInt16BE(CLASS_IN, 4);
  fixed.writeUInt32BE(TTL_SECONDS, 6);
  fixed.writeUInt16BE(data.length, 10);
  return Buffer.concat([fixed, data]);
}

/** What of the answer fits; TC tells the client to ask again by TCP. */
export function buildAnswer(
  query: Query,
  answer: { readonly rcode: Rcode; readonly records: readonly DnsRecord[] },
  tcp: boolean,
): Buffer {
  const opt = query.udpBytes === undefined ? Buffer.alloc(0) : Buffer.alloc(11);
  if (opt.length > 0) {
    opt.writeUInt16BE(TYPE.OPT, 1);
    opt.writeUInt16BE(UDP_BYTES_MAX, 3);
  }
  const udpBytes = Math.min(Math.max(query.udpBytes ?? 0, UDP_BYTES_MIN), UDP_BYTES_MAX);
  let room =
    (tcp ? MESSAGE_BYTES_MAX : udpBytes) - HEADER_BYTES - query.question.length - opt.length;
  const fitting: Buffer[] = [];
  for (const record of answer.records) {
    const bytes = encodeRecord(record);
    if (bytes.length > room) break;
    room -= bytes.length;
    fitting.push(bytes);
  }
  const truncated = fitting.length < answer.records.length;
  const flags = answerFlags(query.flags, answer.rcode, truncated);
  const head = header(query.id, flags, [1, fitting.length, opt.length > 0 ? 1 : 0]);
  return Buffer.concat([head, query.question, ...fitting, opt]);
}

/** The address in a name below in-addr.arpa or ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). */
export function reverseAddress(name: string): string | undefined {
  const four = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name);
  if (four !== null) return (four[1] ?? '').split('.').filter(Boolean).toReversed().join('.');
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (six === null) return undefined;
  const hex = (six[1] ?? '').split('.').toReversed().join('');
  return hex.match(/.{4}/g)?.join(':');
}
