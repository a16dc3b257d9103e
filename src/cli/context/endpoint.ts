// --docker of `context create` and `context update`: host=...,ca=...,cert=...,key=....
import { readFileSync } from 'node:fs';
import { CliError } from '../command.ts';
import { reasonOf } from '../create/kv-file.ts';
import type { Flags } from '../flags.ts';
import { parseHost } from './choose.ts';
import { defaultContext } from './default.ts';
import {
  type ContextEndpoint,
  type ContextStore,
  DEFAULT_CONTEXT,
  type TlsContents,
} from './store.ts';

const KEYS: readonly string[] = ['from', 'host', 'ca', 'cert', 'key', 'skip-tls-verify'];
const FILES = ['ca', 'cert', 'key'] as const;

export type NewEndpoint = { readonly docker: ContextEndpoint; readonly tls: TlsContents };

/** Undefined where --docker says nothing. The texts are docker's. */
export function newEndpoint(flags: Flags, store: ContextStore): NewEndpoint | undefined {
  if (!flags.has('docker')) return undefined;
  const given = new Map<string, string>();
  // Pairs are separated by commas, and the flag may be given again.
  for (const [first, rest] of Object.entries(flags.map('docker'))) {
    for (const pair of `${first}=${rest}`.split(',')) {
      const equals = pair.indexOf('=');
      if (equals < 0) throw new CliError(1, `${pair} must be formatted as key=value`);
      given.set(pair.slice(0, equals).toLowerCase(), pair.slice(equals + 1));
    }
  }
  try {
    return build(given, store);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new CliError(1, `unable to create docker endpoint config: ${error.message}`);
  }
}

function build(given: ReadonlyMap<string, string>, store: ContextStore): NewEndpoint {
  for (const key of given.keys()) {
    if (!KEYS.includes(key)) throw new Error(`unrecognized config key: ${key}`);
  }
  const from = given.get('from');
  if (from !== undefined) return copyOf(from, store);
  const skip = given.get('skip-tls-verify') ?? 'false';
  if (!['true', 'false', '1', '0'].includes(skip)) {
    throw new Error(`skip-tls-verify is true or false, not ${JSON.stringify(skip)}`);
  }
  const host = given.get('host') ?? '';
  if (host !== '') parseHost(host);
  const tls: Record<string, Buffer> = {};
  for (const kind of FILES) {
    const path = given.get(kind);
    if (path !== undefined) tls[kind] = read(path);
  }
  return { docker: { host, skipTlsVerify: skip === 'true' || skip === '1' }, tls };
}

/** What a context has, for another one. */
export function copyOf(
  name: string,
  store: ContextStore,
): NewEndpoint & { readonly description: string } {
  if (name === DEFAULT_CONTEXT) {
    const { description, host } = defaultContext();
    return { description, docker: { host, skipTlsVerify: false }, tls: {} };
  }
  const { description, docker, tlsFiles } = store.get(name);
  const files = store.tlsFiles(name);
  const tls: Record<string, Buffer> = {};
  for (const kind of FILES) if (tlsFiles.includes(`${kind}.pem`)) tls[kind] = read(files[kind]);
  return { description, docker, tls };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`open ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
