// Programs that keep credentials (docker-credential-helpers): `docker-credential-NAME get`, `store`
// and `erase`, with a server or JSON on standard input, as docker's CLI runs them.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { errnoOf, messageOf } from '#base/error.ts';
import { CliError } from './command.ts';
import { type Credentials, NO_CREDENTIALS } from './credential-file.ts';

/** It may ask a person for the key of a keychain. */
export const HELPER_MS_MAX = 120_000;
/** Of what it prints. */
export const HELPER_BYTES_MAX = 1024 * 1024;

/** The name that says that the secret is an identity token. */
const TOKEN_NAME = '<token>';
const NOT_FOUND = 'credentials not found in native keychain';

type Verb = 'get' | 'store' | 'erase';

export async function getByHelper(helper: string, server: string): Promise<Credentials> {
  const output = await run(helper, 'get', server);
  if (output === undefined) return NO_CREDENTIALS;
  let parsed: unknown;
  try {
    parsed = JSON.parse(output);
  } catch (cause) {
    throw new CliError(1, `${nameOf(helper)} printed something that is not JSON`, { cause });
  }
  const raw = typeof parsed === 'object' && parsed !== null ? parsed : {};
  const username = 'Username' in raw && typeof raw.Username === 'string' ? raw.Username : '';
  const secret = 'Secret' in raw && typeof raw.Secret === 'string' ? raw.Secret : '';
  if (username === TOKEN_NAME) return { ...NO_CREDENTIALS, identityToken: secret };
  return { ...NO_CREDENTIALS, username, password: secret };
}

export async function storeByHelper(
  helper: string,
  server: string,
  { identityToken, password, username }: Credentials,
): Promise<void> {
  const [Username, Secret] =
    identityToken === '' ? [username, password] : [TOKEN_NAME, identityToken];
  await run(helper, 'store', JSON.stringify({ ServerURL: server, Username, Secret }));
}

export async function eraseByHelper(helper: string, server: string): Promise<void> {
  await run(helper, 'erase', server);
}

function nameOf(helper: string): string {
  return `docker-credential-${helper}`;
}

/** What it printed; undefined when it has nothing. */
async function run(helper: string, verb: Verb, input: string): Promise<string | undefined> {
  const program = nameOf(helper);
  const failed = (why: string, cause?: unknown): CliError =>
    new CliError(1, `error ${VERBS[verb]} credentials - err: ${why}`, { cause });
  // It is a name below PATH, not a path: the file may come from anywhere.
  if (!/^[A-Za-z0-9._-]+$/.test(helper)) throw failed(`invalid helper ${JSON.stringify(helper)}`);
  // What it asks and says to a person goes to the terminal.
  const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { promise: ended, resolve, reject } = Promise.withResolvers<string>();
  child.on('error', (error) => {
    const missing = errnoOf(error) === 'ENOENT';
    const why = `exec: "${program}": executable file not found in $PATH`;
    reject(failed(missing ? `${why}, out: \`\`` : messageOf(error), error));
  });
  child.on('close', (code, signal) => resolve(code === null ? `signal: ${signal}` : exit(code)));
  const timer = setTimeout(() => child.kill('SIGKILL'), HELPER_MS_MAX);
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > HELPER_BYTES_MAX) child.kill('SIGKILL');
  });
  child.stdin.on('error', () => {}); // it ended without reading, and its status tells why
  child.stdin.end(input);
  try {
    const [output, status] = await Promise.all([text(child.stdout), ended]);
    if (status === '') return output;
    const words = output.trim();
    if (words === NOT_FOUND) return undefined;
    throw failed(`${status}, out: \`${words.slice(0, HELPER_BYTES_MAX)}\``);
  } finally {
    clearTimeout(timer);
  }
}

const VERBS: Readonly<Record<Verb, string>> = {
  get: 'getting',
  store: 'storing',
  erase: 'erasing',
};

function exit(code: number): string {
  return code === 0 ? '' : `exit status ${code}`;
}
