// Docker's client configuration, ~/.docker/config.json: read and written by docker's CLI, by many
// other tools and by us. Only what is asked for is changed; fields that we do not know stay.
import { chmodSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { replaceFile } from '#base/atomic-file.ts';
import { errnoOf, messageOf } from '#base/error.ts';
import { CliError } from './command.ts';
import { reasonOf } from './create/kv-file.ts';

/** Tokens of some clouds are kilobytes, and there may be hundreds. */
export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

export type Credentials = {
  readonly username: string;
  readonly password: string;
  /** Instead of a password, from a registry that gives them. */
  readonly identityToken: string;
  readonly registryToken: string;
};

export const NO_CREDENTIALS: Credentials = {
  username: '',
  password: '',
  identityToken: '',
  registryToken: '',
};

type Json = Readonly<Record<string, unknown>>;

export class CredentialFile {
  readonly path: string;
  #content: Json;
  /** Why it could not be read: then it must not be written over. */
  readonly #problem: string | undefined;

  private constructor(path: string, content: Json, problem: string | undefined) {
    this.path = path;
    this.#content = content;
    this.#problem = problem;
  }

  /** `folder` is --config; else DOCKER_CONFIG, else ~/.docker. */
  static open(folder: string, warn: (text: string) => void): CredentialFile {
    const chosen = folder || process.env['DOCKER_CONFIG'] || join(homedir(), '.docker');
    const path = join(chosen, 'config.json');
    try {
      return new CredentialFile(path, readConfig(path), undefined);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return new CredentialFile(path, {}, undefined);
      const problem = errnoOf(error) === undefined ? messageOf(error) : reasonOf(error);
      warn(`WARNING: Error loading config file: ${path}: ${problem}`);
      return new CredentialFile(path, {}, problem);
    }
  }

  /** The program that keeps the credentials of a host; '' if the file itself does. */
  helperOf(host: string): string {
    const helper = object(this.#content['credHelpers'])[host];
    if (typeof helper === 'string' && helper !== '') return helper;
    const store = this.#content['credsStore'];
    return typeof store === 'string' ? store : '';
  }

  /** Hosts that have credentials, or a program of their own. */
  servers(): readonly string[] {
    const auths = Object.keys(object(this.#content['auths']));
    const helpers = Object.keys(object(this.#content['credHelpers']));
    return [...new Set([...auths, ...helpers])];
  }

  /** What the file itself says, also under the URL that older versions wrote. */
  get(host: string): Credentials | undefined {
    const auths = object(this.#content['auths']);
    if (Object.hasOwn(auths, host)) return parseEntry(auths[host]);
    const key = Object.keys(auths).find((each) => hostOf(each) === host);
    return key === undefined ? undefined : parseEntry(auths[key]);
  }

  /** False if nothing changed. */
  put(host: string, credentials: Credentials): boolean {
    const auths = object(this.#content['auths']);
    const entry = renderEntry(credentials);
    if (JSON.stringify(auths[host]) === JSON.stringify(entry)) return false;
    this.#write({ ...auths, [host]: entry });
    return true;
  }

  delete(host: string): void {
    const auths = object(this.#content['auths']);
    const all = Object.entries(auths);
    const kept = all.filter(([key]) => key !== host && hostOf(key) !== host);
    // Of a file that could not be read nobody knows.
    if (kept.length === all.length && this.#problem === undefined) return;
    this.#write(Object.fromEntries(kept));
  }

  #write(auths: Json): void {
    if (this.#problem !== undefined) {
      const advice = 'repair or remove it first, since writing would lose what is in it';
      throw new CliError(1, `cannot change ${this.path}: ${this.#problem}\n${advice}`);
    }
    const sorted = Object.fromEntries(Object.entries(auths).sort(([a], [b]) => (a < b ? -1 : 1)));
    // docker writes `auths` first; the rest keeps its order.
    const content = { ...('auths' in this.#content ? {} : { auths: {} }), ...this.#content };
    this.#content = { ...content, auths: sorted };
    mkdirSync(dirname(this.path), { recursive: true, mode: FOLDER_MODE });
    const { path, mode } = target(this.path);
    replaceFile(path, JSON.stringify(this.#content, undefined, '\t'), mode);
    // The mask of this process may have taken bits away that the file had.
    chmodSync(path, mode);
  }
}

/** A link stays a link: people keep this file in a repository of theirs. */
function target(path: string): { readonly path: string; readonly mode: number } {
  try {
    const real = realpathSync(path);
    return { path: real, mode: statSync(real).mode & 0o777 };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { path, mode: FILE_MODE };
    throw error;
  }
}

function readConfig(path: string): Json {
  const text = readFileSync(path, 'utf8');
  if (text.length > CONFIG_BYTES_MAX) throw new Error(`larger than ${CONFIG_BYTES_MAX} bytes`);
  const parsed: unknown = text.trim() === '' ? {} : JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Error('not a JSON object');
  }
  return parsed as Json;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function parseEntry(value: unknown): Credentials {
  const raw = object(value);
  const text = (key: string): string => (typeof raw[key] === 'string' ? raw[key] : '');
  const decoded = Buffer.from(text('auth'), 'base64').toString();
  const colon = decoded.indexOf(':');
  return {
    username: colon < 0 ? text('username') : decoded.slice(0, colon),
    // Of old it was padded with NULs.
    password: colon < 0 ? text('password') : decoded.slice(colon + 1).replace(/\0+$/, ''),
    identityToken: text('identitytoken'),
    registryToken: text('registrytoken'),
  };
}

function renderEntry(credentials: Credentials): Json {
  const { username, password, identityToken, registryToken } = credentials;
  const both = username === '' && password === '' ? '' : `${username}:${password}`;
  return {
    ...(both === '' ? {} : { auth: Buffer.from(both).toString('base64') }),
    ...(identityToken === '' ? {} : { identitytoken: identityToken }),
    ...(registryToken === '' ? {} : { registrytoken: registryToken }),
  };
}

/** "https://reg.test/v1/" was a key of old: the host counts. */
export function hostOf(text: string): string {
  return text.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
}
