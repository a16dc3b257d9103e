// Asks upstream DNS servers, one after the other, from the host's network namespace, where also a
// server on the host's loopback is reached; or from where the caller asks. A new socket and a
// random id for each try, so that a forged answer must guess both (RFC 5452).
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIP, isIPv6 } from 'node:net';
import { MESSAGE_BYTES_MAX, parseQuery, RCODE } from './message.ts';
import type { Forward } from './resolver.ts';

export const TRY_MS_MAX = 2_500;
/** resolv.conf(5), MAXNS; three tries fit into the time that the relay waits. */
export const SERVERS_MAX = 3;
export const FORWARDS_MAX = 2048;
const DNS_PORT = 53;

/** "192.0.2.1", "fe80::1%eth0", or with a port "192.0.2.1#5353", "[::1]#5353". */
export type Server = { readonly host: string; readonly port: number };

export function parseServer(text: string): Server | undefined {
  const match = /^\[?([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]?(?:#(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? '';
  const port = Number(match?.[2] ?? DNS_PORT);
  if (isIP(host) === 0 || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

/** One try of one server; undefined when no answer comes in time. */
export type Ask = (
  query: Buffer,
  server: Server,
  how: { readonly tcp: boolean; readonly timeoutMs: number },
) => Promise<Buffer | undefined>;

/** Whether it answers this query: the id, and the question byte for byte but for case. */
export function isAnswer(message: Buffer, query: Buffer): boolean {
  if (message.length < 12 || message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((message.readUInt16BE(2) & 0x8000) === 0) return false;
  const parsed = parseQuery(query);
  if (parsed.kind !== 'query') return false;
  // Some servers leave the question out when they refuse.
  if (message.readUInt16BE(4) === 0) return (message.readUInt16BE(2) & 0xf) !== RCODE.NOERROR;
  const { question } = parsed.query;
  const echoed = message.subarray(12, 12 + question.length);
  return echoed.toString('latin1').toLowerCase() === question.toString('latin1').toLowerCase();
}

function askUdp(query: Buffer, server: Server, timeoutMs: number): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
  const timer = setTimeout(() => end(undefined), timeoutMs);
  let ended = false;
  const end = (answer: Buffer | undefined): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    socket.close();
    resolve(answer);
  };
  socket.on('error', () => end(undefined));
  socket.on('message', (message) => {
    // Anything else on this port is forged or late: the right answer may still come.
    if (isAnswer(message, query)) end(message);
  });
  // Connected, so that the kernel drops what comes from other addresses and reports a closed port.
  socket.connect(server.port, server.host, (error?: Error) => {
    if (error !== undefined && error !== null) return end(undefined);
    if (!ended) socket.send(query, (failed) => (failed === null ? undefined : end(undefined)));
  });
  return promise;
}

function askTcp(query: Buffer, server: Server, timeoutMs: number): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const socket = connect({ host: server.host, port: server.port });
  const timer = setTimeout(() => end(undefined), timeoutMs);
  let received = Buffer.alloc(0);
  const end = (answer: Buffer | undefined): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve(answer);
  };
  socket.on('error', () => end(undefined));
  socket.on('close', () => end(undefined));
  socket.on('connect', () => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length, 0);
    socket.write(Buffer.concat([length, query]));
  });
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length > MESSAGE_BYTES_MAX + 2) return end(undefined);
    if (received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (received.length < 2 + length) return;
    const message = received.subarray(2, 2 + length);
    end(isAnswer(message, query) ? message : undefined);
  });
  return promise;
}

/** SERVFAIL and REFUSED say that this server cannot; another one may. */
function isFinal(answer: Buffer): boolean {
  const rcode = answer.readUInt16BE(2) & 0xf;
  return rcode !== RCODE.SERVFAIL && rcode !== RCODE.REFUSED && rcode !== RCODE.NOTIMP;
}

const askFromHost: Ask = (query, server, { tcp, timeoutMs }) =>
  tcp ? askTcp(query, server, timeoutMs) : askUdp(query, server, timeoutMs);

/** The same with no more than `concurrent` under way, by a count of its own. */
export function limitForward(forward: Forward, concurrent: number): Forward {
  let running = 0;
  return async (query, options) => {
    if (running >= concurrent) return 'busy';
    running += 1;
    try {
      return await forward(query, options);
    } finally {
      running -= 1;
    }
  };
}

export function makeForward(
  options: { readonly tryMs?: number; readonly concurrent?: number; readonly ask?: Ask } = {},
): Forward {
  const { tryMs = TRY_MS_MAX, concurrent = FORWARDS_MAX, ask = askFromHost } = options;
  return limitForward(
    (query, { servers, tcp }) => tryServers(query, { servers, tcp, tryMs, ask }),
    concurrent,
  );
}

async function tryServers(
  query: Buffer,
  options: {
    readonly servers: readonly string[];
    readonly tcp: boolean;
    readonly tryMs: number;
    readonly ask: Ask;
  },
): Promise<Buffer | undefined> {
  const servers = options.servers.flatMap((text) => parseServer(text) ?? []).slice(0, SERVERS_MAX);
  const id = query.readUInt16BE(0);
  let last: Buffer | undefined;
  for (const server of servers) {
    const copy = Buffer.from(query);
    copy.writeUInt16BE(randomInt(0x1_0000), 0);
    const { tcp, tryMs: timeoutMs } = options;
    const answer = await options.ask(copy, server, { tcp, timeoutMs });
    if (answer === undefined) continue;
    last = Buffer.from(answer);
    last.writeUInt16BE(id, 0);
    if (isFinal(last)) return last;
  }
  return last;
}
