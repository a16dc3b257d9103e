// --build-context NAME=DIRECTORY|docker-image://REF|URL: contexts beside the main one. A directory is
// sent, all others are read by the engine.
import { existsSync } from 'node:fs';
import { CliError } from '../command.ts';
import { openFiles } from './context.ts';

export type NamedContext = {
  /** As POST /build has it: "" for one that is sent. */
  readonly wish: { readonly Name: string; readonly Source: string };
  readonly archive: AsyncIterable<Uint8Array> | undefined;
};

/** Of names that are given twice the last one counts, as with docker. */
export function openContexts(texts: readonly string[]): readonly NamedContext[] {
  const contexts = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 0) throw new CliError(1, `invalid context value: ${text}, expected key=value`);
    contexts.set(text.slice(0, at), text.slice(at + 1));
  }
  return [...contexts].map(([Name, value]) => {
    const isSent = !isElsewhere(value);
    const archive = isSent ? openFiles(value, Name) : undefined;
    return { wish: { Name, Source: isSent ? '' : value }, archive };
  });
}

function isElsewhere(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(value) || isRemote(value);
}

/** As docker has it: what looks like a repository, and is no directory here. */
export function isRemote(path: string): boolean {
  if (/^(?:https?|git|ssh):\/\//i.test(path)) return true;
  return /^(?:[\w.-]+@[\w.-]+:|github\.com\/)/.test(path) && !existsSync(path);
}
