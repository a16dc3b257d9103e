// The embedded DNS server's decisions: a query of a container is answered from the names of its
// networks, or passed upstream, or refused. Sockets are elsewhere (kernel/native/relay.ts inside
// the containers, forward.ts outside), so all of it is tested with plain buffers.
import { parseIp } from '#base/ip-address.ts';
import {
  buildAnswer,
  parseQuery,
  type Query,
  RCODE,
  type Rcode,
  type DnsRecord,
  reverseAddress,
  TYPE,
} from './message.ts';
import { type DnsEndpoint, type DnsSandbox, lookup, type NameTable } from './names.ts';

/** Asks upstream servers; undefined when none answers, "busy" when too much is under way. */
export type Forward = (
  query: Buffer,
  options: { readonly servers: readonly string[]; readonly tcp: boolean },
) => Promise<Buffer | undefined | 'busy'>;

export type AnswerRequest = {
  readonly message: Buffer;
  readonly tcp: boolean;
  readonly sandbox: DnsSandbox;
  readonly names: NameTable;
  readonly forward: Forward;
};

let turn = 0;

/** Each answer starts with the next one, so that clients that take the first share the load. */
function rotate<T>(items: readonly T[]): readonly T[] {
  if (items.length < 2) return items;
  turn = (turn + 1) % 0x7fff_ffff;
  const at = turn % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

function addressBytes(ip: string): Buffer {
  const { family, value } = parseIp(ip);
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

function addressRecords(endpoints: readonly DnsEndpoint[], type: number): readonly DnsRecord[] {
  if (type !== TYPE.A && type !== TYPE.AAAA) return [];
  const ips = endpoints.flatMap(({ ip4, ip6 }) => (type === TYPE.A ? ip4 : ip6) ?? []);
  return rotate([...new Set(ips)]).map((ip) => ({ type, address: addressBytes(ip) }));
}

/** The PTR record of a neighbour's address: "name.network", as Docker answers. */
function pointerRecord(sandbox: DnsSandbox, names: NameTable, query: Query): DnsRecord | undefined {
  const ip = query.type === TYPE.PTR ? reverseAddress(query.name) : undefined;
  if (ip === undefined) return undefined;
  for (const network of sandbox.networks) {
    const name = names.findAddress(network.id, ip)?.names[0];
    if (name !== undefined) return { type: TYPE.PTR, target: `${name}.${network.name}` };
  }
  return undefined;
}

async function outside(request: AnswerRequest, query: Query): Promise<Buffer> {
  const { sandbox, message, tcp } = request;
  const fail = (rcode: Rcode): Buffer => buildAnswer(query, { rcode, records: [] }, tcp);
  // The client asks again with its search domains (resolv.conf(5), ndots).
  if (sandbox.ndots > 0 && !query.name.includes('.')) return fail(RCODE.NXDOMAIN);
  // An internal network must not tell the outside anything, a name neither.
  if (!sandbox.forwards || sandbox.servers.length === 0) return fail(RCODE.SERVFAIL);
  const answer = await request.forward(message, { servers: sandbox.servers, tcp });
  if (answer === 'busy') return fail(RCODE.REFUSED);
  return answer ?? fail(RCODE.SERVFAIL);
}

/** The answer to send back; undefined where silence is right. Never throws on a query's bytes. */
export async function answer(request: AnswerRequest): Promise<Buffer | undefined> {
  const parsed = parseQuery(request.message);
  if (parsed.kind === 'drop') return undefined;
  if (parsed.kind === 'error') return parsed.answer;
  const { query } = parsed;
  const { sandbox, names, tcp } = request;
  if (!query.isInternet) return buildAnswer(query, { rcode: RCODE.REFUSED, records: [] }, tcp);
  const endpoints = lookup(sandbox, names, query.name);
  if (endpoints.length > 0) {
    // A known name without a record of this type is "no data", never "no such name": a client that
    // asks for AAAA first would give up (RFC 2308, 2.2).
    const records = addressRecords(endpoints, query.type);
    return buildAnswer(query, { rcode: RCODE.NOERROR, records }, tcp);
  }
  const pointer = pointerRecord(sandbox, names, query);
  if (pointer !== undefined) {
    return buildAnswer(query, { rcode: RCODE.NOERROR, records: [pointer] }, tcp);
  }
  return await outside(request, query);
}
