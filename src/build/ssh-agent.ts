// RUN --mount=type=ssh: a socket in the step's container behind which the agent of the build's client
// answers. The client may be on another machine, so nothing that it names is opened here: for each
// connection that the step makes, the client is told a name that nobody else hears, comes back with
// a connection of its own (POST /coracle/build/agents/NAME), and the two are joined.
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { EngineError } from '#base/error.ts';
import type { RunMount } from './run-mount.ts';
import type { BuildShared } from './shared.ts';

/** How long the client may take to come; a build's answer may wait behind a slow reader. */
export const AGENT_ANSWER_MS_MAX = 20_000;
/** At once behind one mount; more are closed. */
export const AGENT_CONNECTIONS_MAX = 64;
const AGENT_MODE = 0o600;
const NAME_BYTES = 16;

/** Connections that a step has made, and the client has not answered yet. */
export class AgentCalls {
  readonly #waiting = new Map<
    string,
    { readonly socket: Socket; readonly timer: NodeJS.Timeout }
  >();

  /** The name that answers it. */
  add(socket: Socket): string {
    const name = randomBytes(NAME_BYTES).toString('hex');
    const timer = setTimeout(() => socket.destroy(), AGENT_ANSWER_MS_MAX);
    this.#waiting.set(name, { socket, timer });
    socket.once('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(name);
    });
    return name;
  }

  /** Once: whoever takes it ends it. */
  take(name: string): Duplex {
    const found = this.#waiting.get(name);
    if (found === undefined) {
      const text = `no step of a build waits for the ssh agent connection ${name}`;
      throw new EngineError('not_found', text);
    }
    this.#waiting.delete(name);
    clearTimeout(found.timer);
    return found.socket;
  }
}

/** The path of a socket that listens until the step ends; it ends all connections as well. */
export async function listenForStep(
  build: BuildShared,
  { gid, id, mode = AGENT_MODE, uid }: RunMount,
  parts: AsyncDisposableStack,
): Promise<string> {
  const { agentCalls, memoryFolder } = build.deps;
  // Not in the build's own folder: the kernel takes 107 bytes of path (unix(7)), and an exec root
  // may leave 48 of them.
  const folder = await mkdtemp(join(memoryFolder, 'ssh-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'agent');
  const open = new Set<Socket>();
  // Not read before the client is there: what was sent first would be lost.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
    void call(socket);
  });
  server.maxConnections = AGENT_CONNECTIONS_MAX;
  const call = async (socket: Socket): Promise<void> => {
    try {
      await build.tell({ kind: 'agent', id, connection: agentCalls.add(socket) });
    } catch {
      socket.destroy(); // the client is gone, and its build ends
    }
  };
  parts.defer(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  server.listen(path);
  await once(server, 'listening');
  server.on('error', () => {}); // of one accept(2), whose step sees that nobody answers
  // Its folder is only root's, so nobody was there before.
  await chmod(path, mode);
  await chown(path, uid, gid);
  return path;
}
