// login: checks credentials with a registry, and keeps them where docker keeps them.
import { readText } from '#client/client.ts';
import { HUB_SERVER } from '#client/registry-auth.ts';
import { EngineError } from '#base/error.ts';
import type { AuthReply } from '#wire/image.ts';
import { CliError, type Context } from '../command.ts';
import { authConfig, CredentialStore, serverKey } from '../credential.ts';
import { type Credentials, NO_CREDENTIALS } from '../credential-file.ts';
import { errorText } from '../each.ts';
import type { Flags } from '../flags.ts';
import { askLine, askSecret } from '../prompt.ts';

export async function run(context: Context): Promise<number> {
  const { args, configFolder, flags } = context;
  const server = serverKey(args[0] ?? '');
  const typed = await readFlags(flags);
  const store = CredentialStore.open(configFolder);
  const known = await store.get(server);
  if (typed.username === '' && typed.password === '' && isSomebody(known)) {
    if (await loginAgain(context, store, server, known)) return 0;
  }
  const isTerminal = process.stdin.isTTY === true;
  if (server === HUB_SERVER && typed.password === '' && isTerminal) {
    const where = 'https://app.docker.com/settings/personal-access-tokens';
    process.stdout.write(`Docker Hub takes your user name and an access token (${where}).\n`);
  }
  const credentials = await ask(typed, known.username);
  await login(context, store, server, credentials);
  return 0;
}

type Typed = { readonly username: string; readonly password: string };

async function readFlags(flags: Flags): Promise<Typed> {
  const username = flags.string('username');
  const password = flags.string('password');
  if (flags.bool('password-stdin')) {
    if (password !== '') {
      const both = '--password and --password-stdin';
      throw new CliError(1, `conflicting options: cannot specify both ${both}`);
    }
    if (username === '') {
      throw new CliError(1, 'the --password-stdin option requires --username to be set');
    }
    const text = await readText(process.stdin);
    return { username, password: text.replace(/\r?\n$/, '') };
  }
  if (password !== '') {
    const text = 'Using --password via the CLI is insecure. Use --password-stdin.';
    process.stderr.write(`WARNING! ${text}\n`);
  }
  return { username, password };
}

function isSomebody({ identityToken, password, username }: Credentials): boolean {
  return username !== '' && (password !== '' || identityToken !== '');
}

/** True if what is kept still does. */
async function loginAgain(
  context: Context,
  store: CredentialStore,
  server: string,
  known: Credentials,
): Promise<boolean> {
  const { stderr } = process;
  stderr.write(`Authenticating with existing credentials... [Username: ${known.username}]\n\n`);
  const advice =
    "To login with a different account, run 'docker logout' followed by 'docker login'";
  stderr.write(` Info -> ${advice.replaceAll('docker', 'coracle')}\n\n\n`);
  try {
    await login(context, store, server, known);
    return true;
  } catch (error) {
    const wrong = error instanceof EngineError && error.code === 'unauthorized';
    const text = wrong
      ? 'Stored credentials invalid or expired'
      : `Login did not succeed, error: ${errorText(error)}`;
    stderr.write(`${text}\n`);
    return false;
  }
}

async function ask(typed: Typed, known: string): Promise<Credentials> {
  let { password, username } = typed;
  if (username !== '' && password !== '') return { ...NO_CREDENTIALS, username, password };
  if (process.stdin.isTTY !== true) {
    throw new CliError(1, 'Error: Cannot perform an interactive login from a non TTY device');
  }
  if (username === '') {
    const hint = known === '' ? '' : ` (${known})`;
    username = (await askLine(`Username${hint}: `)).trim() || known;
    if (username === '') throw new CliError(1, 'Error: Non-null Username Required');
  }
  if (password === '') {
    password = await askSecret('Password: ');
    if (password === '') throw new CliError(1, 'Error: Password Required');
  }
  return { ...NO_CREDENTIALS, username, password };
}

async function login(
  { client }: Context,
  store: CredentialStore,
  server: string,
  credentials: Credentials,
): Promise<void> {
  const json = { ...authConfig(server, credentials), serveraddress: server };
  const reply = await client.json<AuthReply>('POST', '/auth', { json });
  // A token takes the place of the password: it can be withdrawn.
  const kept =
    reply.IdentityToken === ''
      ? credentials
      : { ...credentials, password: '', identityToken: reply.IdentityToken };
  await store.put(server, kept);
  if (reply.Status !== '') process.stdout.write(`${reply.Status}\n`);
}
