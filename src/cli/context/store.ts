// Contexts: engines by name, in docker's own files below ~/.docker/contexts, so that both commands
// have the same ones. Which one is current is ours alone: whoever has chosen a context for docker
// does not expect `coracle ps` to show what docker has.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { replaceFile } from '#base/atomic-file.ts';
import { errnoOf, messageOf } from '#base/error.ts';
import type { TlsFiles } from '#client/environment.ts';
import { CliError } from '../command.ts';
import { reasonOf } from '../create/kv-file.ts';

export const DEFAULT_CONTEXT = 'default';
export const CONTEXT_BYTES_MAX = 1024 * 1024;
const NAME = '^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$';
/** Of our own, beside docker's config.json. */
const OWN_FILE = 'coracle.json';
const FILE_MODE = 0o644;
const SECRET_MODE = 0o600;
const FOLDER_MODE = 0o700;
const TLS_KINDS = ['ca', 'cert', 'key'] as const;

export type ContextEndpoint = {
  readonly host: string;
  readonly skipTlsVerify: boolean;
};

export type ContextContent = {
  readonly name: string;
  readonly description: string;
  readonly docker: ContextEndpoint;
};

export type ContextRecord = ContextContent & {
  /** Names of the PEM files that it has. */
  readonly tlsFiles: readonly string[];
};

export type TlsContents = { readonly [K in keyof TlsFiles]?: Buffer };

export class ContextStore {
  readonly folder: string;

  /** `folder` is --config; else DOCKER_CONFIG, else ~/.docker. */
  constructor(folder: string) {
    this.folder = folder || process.env['DOCKER_CONFIG'] || join(homedir(), '.docker');
  }

  metadataPath(name: string): string {
    return join(this.folder, 'contexts/meta', digestOf(name));
  }

  tlsPath(name: string): string {
    return join(this.folder, 'contexts/tls', digestOf(name));
  }

  tlsFiles(name: string): TlsFiles {
    const file = (kind: string): string => join(this.tlsPath(name), 'docker', `${kind}.pem`);
    return { ca: file('ca'), cert: file('cert'), key: file('key') };
  }

  /** By name. One that cannot be read is left out: it must not hide the others. */
  list(): readonly ContextRecord[] {
    const found: ContextRecord[] = [];
    for (const entry of entriesOf(join(this.folder, 'contexts/meta'))) {
      try {
        found.push(this.#read(join(this.folder, 'contexts/meta', entry, 'meta.json')));
      } catch {
        // Told by whoever names it.
      }
    }
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.list().some((each) => each.name === name);
  }

  get(name: string): ContextRecord {
    const path = join(this.metadataPath(name), 'meta.json');
    try {
      return this.#read(path);
    } catch (error) {
      const missing = errnoOf(error) === 'ENOENT';
      const reason = missing
        ? `context not found: open ${path}: ${reasonOf(error)}`
        : `${path}: ${messageOf(error)}`;
      throw new CliError(1, `context ${JSON.stringify(name)}: ${reason}`, { cause: error });
    }
  }

  put(record: ContextContent, tls: TlsContents): void {
    const folder = this.metadataPath(record.name);
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    rmSync(this.tlsPath(record.name), { recursive: true, force: true });
    const files = this.tlsFiles(record.name);
    for (const kind of TLS_KINDS) {
      const content = tls[kind];
      if (content === undefined) continue;
      mkdirSync(dirname(files[kind]), { recursive: true, mode: FOLDER_MODE });
      replaceFile(files[kind], content, SECRET_MODE);
    }
    replaceFile(join(folder, 'meta.json'), metaText(record), FILE_MODE);
  }

  remove(name: string): void {
    rmSync(this.metadataPath(name), { recursive: true, force: true });
    rmSync(this.tlsPath(name), { recursive: true, force: true });
  }

  /** The one that `context use` has chosen. */
  current(): string {
    try {
      const content: unknown = JSON.parse(readSmall(join(this.folder, OWN_FILE)));
      const name = field(content, 'currentContext');
      return typeof name === 'string' && name !== '' ? name : DEFAULT_CONTEXT;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return DEFAULT_CONTEXT;
      const text = `${join(this.folder, OWN_FILE)}: ${messageOf(error)}`;
      const next = "Repair it, or remove it and choose again with 'coracle context use'.";
      throw new CliError(1, `cannot read which context is current: ${text}\n${next}`);
    }
  }

  setCurrent(name: string): void {
    mkdirSync(this.folder, { recursive: true, mode: FOLDER_MODE });
    const content = name === DEFAULT_CONTEXT ? {} : { currentContext: name };
    const text = `${JSON.stringify(content)}\n`;
    replaceFile(join(this.folder, OWN_FILE), text, FILE_MODE);
  }

  #read(path: string): ContextRecord {
    const content = parseContext(JSON.parse(readSmall(path)));
    return { ...content, tlsFiles: entriesOf(join(this.tlsPath(content.name), 'docker')) };
  }
}

/** The text of a meta.json. */
export function metaText({ name, description, docker }: ContextContent): string {
  return JSON.stringify({
    Name: name,
    Metadata: description === '' ? {} : { Description: description },
    Endpoints: { docker: { Host: docker.host, SkipTLSVerify: docker.skipTlsVerify } },
  });
}

export function parseContext(content: unknown): ContextContent {
  const name = field(content, 'Name');
  const docker = field(field(content, 'Endpoints'), 'docker');
  const host = field(docker, 'Host');
  if (typeof name !== 'string' || typeof host !== 'string') {
    throw new Error('it has no name or no docker endpoint');
  }
  const description = field(field(content, 'Metadata'), 'Description');
  return {
    name,
    description: typeof description === 'string' ? description : '',
    docker: { host, skipTlsVerify: field(docker, 'SkipTLSVerify') === true },
  };
}

/** The name of a context that is made or changed. */
export function checkContextName(name: string): void {
  if (name === DEFAULT_CONTEXT) {
    throw new CliError(1, `${JSON.stringify(DEFAULT_CONTEXT)} is a reserved context name`);
  }
  if (!new RegExp(NAME).test(name)) {
    const rule = `names are validated against regexp ${JSON.stringify(NAME)}`;
    throw new CliError(1, `context name ${JSON.stringify(name)} is invalid, ${rule}`);
  }
}

/** A folder is called after the name, which may have any characters. */
function digestOf(name: string): string {
  // Loaded here: it would cost every start of the command line some milliseconds.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(name).digest('hex');
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function readSmall(path: string): string {
  const content = readFileSync(path);
  if (content.length > CONTEXT_BYTES_MAX) throw new Error(`more than ${CONTEXT_BYTES_MAX} bytes`);
  return content.toString();
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
