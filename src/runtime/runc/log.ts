// runc's log (`--log-format json`): one JSON object a line; the last error says why it gave up.
import { readFile } from 'node:fs/promises';
import { EngineError, errnoOf } from '#base/error.ts';

/** What is read of the end of a log. */
const LOG_BYTES_MAX = 64 * 1024;

export function lastError(text: string): string | undefined {
  let found: string | undefined;
  for (const line of text.slice(-LOG_BYTES_MAX).split('\n')) {
    const entry = parseLine(line);
    if (entry?.level === 'error' || entry?.level === 'fatal') found = entry.msg;
  }
  return found;
}

function parseLine(line: string): { readonly level: string; readonly msg: string } | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null) return undefined;
    if (!('level' in entry) || !('msg' in entry)) return undefined;
    const { level, msg } = entry;
    return typeof level === 'string' && typeof msg === 'string' ? { level, msg } : undefined;
  } catch {
    return undefined; // cut at the beginning, or not runc's
  }
}

const PREFIX = {
  create:
    'failed to create task for container: failed to create shim task: ' +
    'OCI runtime create failed: ',
  exec: 'OCI runtime exec failed: ',
} as const;

/** The error of a runc that ended before its container ran. */
export async function runcFailure(verb: keyof typeof PREFIX, path: string): Promise<EngineError> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  });
  const said = lastError(text) ?? 'the runtime ended without saying why';
  const missing = /executable file not found|no such file or directory/.test(said);
  const denied = /permission denied|is a directory/.test(said);
  return new EngineError(
    missing || denied ? 'invalid_argument' : 'kernel_refused',
    `${PREFIX[verb]}${said}: unknown`,
    { facts: { runtime: 'runc', exitCode: missing ? 127 : denied ? 126 : 128 } },
  );
}
