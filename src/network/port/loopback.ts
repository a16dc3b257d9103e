// Ports that are published on ::1. Netfilter cannot lead them: a reply for ::1 that comes in from a
// bridge is dropped before any route is asked (ip6_rcv_core()). So the daemon listens there itself
// and copies, for tcp and for the host's own programs only; connections end with the daemon. A
// port on every address needs none of this: programs that are refused at ::1 go on to 127.0.0.1.
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { errnoOf } from '#base/error.ts';

export const LOOPBACK6 = '::1';
const CONNECTIONS_MAX = 1024;
const CONNECT_MS_MAX = 10_000;

export type Destination = { readonly ip: string; readonly port: number };

class Forward {
  readonly #server: Server;
  readonly #destination: Destination;
  readonly #sockets = new Set<Socket>();
  connections = 0n;

  constructor(destination: Destination) {
    this.#destination = destination;
    // The end of one direction is not the end of the other, as over a wire.
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen({ host: LOOPBACK6, port });
    await once(this.#server, 'listening');
    this.#server.unref();
    // A refused accept(2): the client sees it, and others are served.
    this.#server.on('error', () => undefined);
  }

  #serve(client: Socket): void {
    this.connections += 1n;
    const { ip: host, port } = this.#destination;
    const server = createConnection({ host, port, allowHalfOpen: true });
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    server.setTimeout(CONNECT_MS_MAX, end);
    server.once('connect', () => server.setTimeout(0));
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.unref();
      socket.on('error', () => {
        // A reset is passed on as one: the other end must not take it for the end of the data.
        if (other.connecting) other.destroy();
        else other.resetAndDestroy();
      });
      socket.once('close', () => this.#sockets.delete(socket));
      socket.pipe(other);
    }
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** By port: ::1 is one address. */
export class LoopbackForwards {
  readonly #forwards = new Map<number, Forward>();

  /** Undefined, or the errno with which the port was refused. */
  async open(port: number, destination: Destination): Promise<string | undefined> {
    const forward = new Forward(destination);
    try {
      await forward.listen(port);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      return errno;
    }
    this.#forwards.set(port, forward);
    return undefined;
  }

  close(port: number): void {
    this.#forwards.get(port)?.close();
    this.#forwards.delete(port);
  }

  connections(port: number): bigint | undefined {
    return this.#forwards.get(port)?.connections;
  }

  closeAll(): void {
    for (const port of [...this.#forwards.keys()]) this.close(port);
  }
}
