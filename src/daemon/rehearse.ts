// A daemon that has just begun is slow: V8 compiles a function when it is called for the first
// time, and better when it has been called often. So as long as nobody wants a container, the
// daemon asks itself what it would do for one: POST /coracle/plan goes the way of `docker run` from
// the request to the plan, and makes nothing.
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from '#api/server.ts';
import type { EventBus } from '#event/bus.ts';
import { API_VERSION } from '#wire/version.ts';

/** A command that has started the daemon for itself asks before. */
const BEGIN_MS = 50;
/** With more of them the first `docker run` gains nothing that can be measured. */
export const REHEARSALS = 10;
/** So that whoever comes meanwhile waits for one of them at most. */
const PAUSE_MS = 2;

/** The server is not listening. An image that cannot be planned ends it, and nothing is lost. */
export async function rehearse(
  server: Pick<ApiServer, 'http'>,
  events: Pick<EventBus, 'watch'>,
  image: string,
): Promise<void> {
  let wanted = false;
  using _watching = events.watch(({ type }) => {
    wanted ||= type === 'container';
  });
  const request = planRequest(image);
  await sleep(BEGIN_MS, undefined, { ref: false });
  for (let time = 0; time < REHEARSALS && !wanted; time += 1) {
    const [client, connection] = duplexPair();
    server.http.emit('connection', connection);
    client.write(request); // not end(): node:http takes that for a client that went away
    const answer = await text(client);
    if (!answer.startsWith('HTTP/1.1 200 ')) return;
    await sleep(PAUSE_MS, undefined, { ref: false });
  }
}

/** As a client writes it for `docker run --rm --network none IMAGE true`. */
function planRequest(image: string): string {
  const body = JSON.stringify({
    Image: image,
    Cmd: ['true'],
    AttachStdout: true,
    AttachStderr: true,
    Env: null,
    Labels: {},
    HostConfig: {
      NetworkMode: 'none',
      AutoRemove: true,
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      LogConfig: { Type: '', Config: {} },
      PortBindings: {},
      MemorySwappiness: -1,
    },
    NetworkingConfig: { EndpointsConfig: { none: null } },
  });
  const head = [
    `POST /v${API_VERSION}/coracle/plan HTTP/1.1`,
    'Host: coracle',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
