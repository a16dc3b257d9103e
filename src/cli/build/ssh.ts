// --ssh default|ID[=SOCKET|=KEY[,KEY...]]: ssh agents of this machine that a build may ask.
import { readFileSync, statSync } from 'node:fs';
import { messageOf } from '#base/error.ts';
import { CliError } from '../command.ts';

/** A build needs a few; their ids travel in a header. */
export const SSH_IDS_MAX = 64;
const KEY_BYTES_MAX = 64 * 1024;
const DEFAULT_ID = 'default';

export type SshAgents = AsyncDisposable & {
  /** Paths by id. */
  readonly sockets: ReadonlyMap<string, string>;
};

type Wish =
  | { readonly id: string; readonly socket: string }
  | { readonly id: string; readonly keys: readonly string[] };

/** What has only keys gets an agent of its own, which ends with the build. */
export async function openAgents(
  texts: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<SshAgents> {
  await using parts = new AsyncDisposableStack();
  const sockets = new Map<string, string>();
  for (const wish of parseSsh(texts, env)) {
    if ('socket' in wish) {
      sockets.set(wish.id, wish.socket);
      continue;
    }
    const keys = wish.keys.map((path) => ({ path, content: readKey(path) }));
    const { startKeyAgent } = await import('./key-agent.ts');
    const agent = parts.use(await startKeyAgent(keys));
    sockets.set(wish.id, agent.socket);
  }
  const all = parts.move();
  return { sockets, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

export function parseSsh(texts: readonly string[], env: NodeJS.ProcessEnv): readonly Wish[] {
  const wishes = new Map<string, Wish>();
  for (const text of texts) {
    const at = text.indexOf('=');
    const id = (at < 0 ? text : text.slice(0, at)) || DEFAULT_ID;
    const paths = at < 0 ? [] : text.slice(at + 1).split(',');
    if (wishes.has(id)) throw new CliError(1, `invalid duplicate ssh agent ${JSON.stringify(id)}`);
    wishes.set(id, parseWish(id, paths.length === 1 && paths[0] === '' ? [] : paths, env));
  }
  if (wishes.size > SSH_IDS_MAX) {
    throw new CliError(1, `more than ${SSH_IDS_MAX} ssh agents`);
  }
  return [...wishes.values()];
}

function parseWish(id: string, said: readonly string[], env: NodeJS.ProcessEnv): Wish {
  const own = env['SSH_AUTH_SOCK'] ?? '';
  if (said.length === 0 && own === '') {
    throw new CliError(
      1,
      'invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set, which a running agent sets ' +
        `(eval $(ssh-agent); ssh-add), or name one: --ssh ${id}=SOCKET`,
    );
  }
  const paths = said.length === 0 ? [own] : said;
  const isSocket = paths.map((path) => isAgent(id, path));
  const [first = ''] = paths;
  if (isSocket.every((each) => !each)) return { id, keys: paths };
  if (paths.length === 1) return { id, socket: first };
  throw new CliError(1, `ssh agent ${id}: only one socket is allowed, or only keys`);
}

function isAgent(id: string, path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch (error) {
    throw new CliError(1, `ssh agent ${id}: ${messageOf(error)}`, { cause: error });
  }
}

function readKey(path: string): Buffer {
  try {
    const { size } = statSync(path);
    if (size > KEY_BYTES_MAX) throw new Error(`it is larger than ${KEY_BYTES_MAX} bytes`);
    return readFileSync(path);
  } catch (error) {
    throw new CliError(1, `cannot read the key ${path}: ${messageOf(error)}`, { cause: error });
  }
}
