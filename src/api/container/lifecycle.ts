// The verbs that answer 204: start, stop, restart, kill, pause, unpause, rename, remove; and
// resize.
import { EngineError } from '#base/error.ts';
import { type Exchange, sendEmpty } from '../exchange.ts';

/** struct winsize holds 16 bits (ioctl_tty(2)). */
const CELLS_MAX = 65_535;

export async function startContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query, request } = exchange;
  // Docker took a HostConfig here before 1.24; a body is not read, as dockerd does not.
  request.resume();
  await deps.containers.start(ref(params), { detachKeys: query.text('detachKeys') });
  sendEmpty(exchange, 204);
}

export async function stopContainer(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.stop(ref(exchange.params), stopOptions(exchange));
  sendEmpty(exchange, 204);
}

export async function restartContainer(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.restart(ref(exchange.params), stopOptions(exchange));
  sendEmpty(exchange, 204);
}

function stopOptions({ query }: Exchange): {
  readonly signal: string | undefined;
  readonly timeoutSeconds: number | undefined;
} {
  return { signal: query.text('signal') || undefined, timeoutSeconds: query.int('t') };
}

export async function killContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  await deps.containers.kill(ref(params), query.text('signal') || undefined);
  sendEmpty(exchange, 204);
}

export async function pauseContainer(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.pause(ref(exchange.params));
  sendEmpty(exchange, 204);
}

export async function unpauseContainer(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.unpause(ref(exchange.params));
  sendEmpty(exchange, 204);
}

export async function renameContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  const name = query.text('name');
  if (name === '') {
    throw new EngineError('invalid_argument', 'Neither old nor new names may be empty');
  }
  await deps.containers.rename(ref(params), name);
  sendEmpty(exchange, 204);
}

export async function removeContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query } = exchange;
  await deps.containers.remove(ref(params), {
    force: query.bool('force'),
    volumes: query.bool('v'),
    link: query.bool('link'),
  });
  sendEmpty(exchange, 204);
}

export async function resizeContainer(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.resize(ref(exchange.params), parseSize(exchange));
  sendEmpty(exchange, 200);
}

export function parseSize({ query }: Exchange): {
  readonly height: number;
  readonly width: number;
} {
  const height = query.requiredInt('h');
  const width = query.requiredInt('w');
  for (const cells of [height, width]) {
    if (cells < 0 || cells > CELLS_MAX) {
      throw new EngineError('invalid_argument', `terminal size out of range: ${cells}`);
    }
  }
  return { height, width };
}

/** The container's name in the path; Docker allows the slash of inspect's Name there too. */
export function ref(params: Readonly<Record<string, string>>): string {
  return params['id'] ?? '';
}
