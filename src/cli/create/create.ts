// POST /containers/create for `run` and `create`, with --cidfile and the words for what can fail.
import { existsSync, unlinkSync, writeFileSync } from 'node:fs';
import { EngineError, messageOf } from '#base/error.ts';
import {
  familiarReference,
  parseAnyReference,
  parseReference,
  withDefaultTag,
} from '#base/reference.ts';
import { isDaemonError } from '#client/client.ts';
import { platformText } from '#client/platform.ts';
import type { ContainerCreateReply } from '#wire/container.ts';
import { CliError, type Context } from '../command.ts';
import type { CreateBody } from './body.ts';
import { reasonOf } from './kv-file.ts';

/** `run` fails with 125 and the way to its help, `create` with 1 and the error alone. */
export type FailureStyle = 'run' | 'create';

/** Creates and returns the id. */
export async function createContainer(
  context: Context,
  body: CreateBody,
  failure: FailureStyle,
): Promise<string> {
  const { flags, path } = context;
  const pull = flags.string('pull', 'missing');
  if (!['always', 'missing', 'never'].includes(pull)) {
    const choices = '"always", "missing" or "never"';
    throw runError(path, `invalid pull option: '${pull}': must be one of ${choices}`, 125);
  }
  using cidFile = openCidFile(context, failure);
  let reply: ContainerCreateReply;
  try {
    parseAnyReference(body.Image);
    checkPlatform(flags.string('platform'));
    if (pull === 'always') await pullFor(context, body.Image);
    reply = await post(context, body);
  } catch (error) {
    if (pull !== 'missing' || !isMissingImage(error)) throw createFailure(path, error, failure);
    reply = await pullAndPost(context, body, failure);
  }
  for (const warning of reply.Warnings ?? []) process.stderr.write(`WARNING: ${warning}\n`);
  cidFile.write(reply.Id);
  return reply.Id;
}

function post({ client, flags }: Context, body: CreateBody): Promise<ContainerCreateReply> {
  const query = { name: flags.string('name'), platform: platformText(flags.string('platform')) };
  return client.json('POST', '/containers/create', { query, json: body });
}

async function pullAndPost(
  context: Context,
  body: CreateBody,
  failure: FailureStyle,
): Promise<ContainerCreateReply> {
  const { flags, path } = context;
  try {
    if (!flags.bool('quiet')) {
      const named = familiarReference(withDefaultTag(parseReference(body.Image)));
      process.stderr.write(`Unable to find image '${named}' locally\n`);
    }
    await pullFor(context, body.Image);
    return await post(context, body);
  } catch (error) {
    throw createFailure(path, error, failure);
  }
}

/** Its progress is no output of the command: that is the container's. */
async function pullFor(context: Context, image: string): Promise<void> {
  const { pullImage } = await import('../pull.ts');
  const name = withDefaultTag(parseReference(image));
  const wish = { name, all: false, platform: context.flags.string('platform') };
  await pullImage(context, wish, { out: process.stderr, quiet: context.flags.bool('quiet') });
}

/** One of another platform than --platform counts as missing. */
function isMissingImage(error: unknown): boolean {
  const missing = error instanceof EngineError && error.code === 'not_found';
  return missing && /^(No such image|image with reference )/i.test(error.message);
}

function createFailure(path: string, error: unknown, failure: FailureStyle): CliError {
  const text = daemonText(error);
  if (failure === 'run') return runError(path, text, 125, error);
  return error instanceof CliError ? error : new CliError(1, text, { cause: error });
}

function daemonText(error: unknown): string {
  return `${isDaemonError(error) ? 'Error response from daemon: ' : ''}${messageOf(error)}`;
}

/** Errors of flags that are checked together end with the way to the help, as docker's. */
export function withHelp<T>(path: string, plan: () => T): T {
  try {
    return plan();
  } catch (error) {
    throw runError(path, messageOf(error), 125, error);
  }
}

export function runError(path: string, text: string, code: number, cause?: unknown): CliError {
  const program = path.split(' ', 1)[0];
  const help = `Run '${path} --help' for more information`;
  return new CliError(code, `${program}: ${text}\n\n${help}`, { cause });
}

/** 127: no such program; 126: it cannot be executed; 125: the engine failed. */
export function startFailure(path: string, error: unknown): CliError {
  const text = messageOf(error);
  let code = 125;
  if (/executable file not found|no such file or directory/.test(text)) code = 127;
  else if (/permission denied|is a directory/.test(text)) code = 126;
  return runError(path, daemonText(error), code, error);
}

function checkPlatform(text: string): void {
  try {
    platformText(text);
  } catch (error) {
    const reason = `error parsing specified platform: ${messageOf(error)}`;
    throw new EngineError('invalid_argument', reason, { cause: error });
  }
}

function openCidFile({ flags, path }: Context, failure: FailureStyle): CidFile {
  try {
    return new CidFile(flags.string('cidfile'));
  } catch (error) {
    // As docker: a folder that is missing ends as a program that is.
    throw failure === 'run' ? startFailure(path, error) : createFailure(path, error, failure);
  }
}

/** --cidfile is made before the container, so that two runs cannot share one. */
class CidFile implements Disposable {
  readonly #path: string;
  #written = false;

  constructor(path: string) {
    this.#path = path;
    if (path === '') return;
    if (existsSync(path)) {
      const advice = `make sure the other container isn't running or delete ${path}`;
      throw new Error(`container ID file found, ${advice}`);
    }
    try {
      writeFileSync(path, '', { flag: 'wx', mode: 0o644 });
    } catch (error) {
      throw new Error(`failed to create the container ID file: open ${path}: ${reasonOf(error)}`);
    }
  }

  write(id: string): void {
    if (this.#path === '') return;
    writeFileSync(this.#path, id);
    this.#written = true;
  }

  [Symbol.dispose](): void {
    if (this.#path !== '' && !this.#written) unlinkSync(this.#path);
  }
}
