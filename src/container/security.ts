// --security-opt and the privileges it changes. Pure.
import { EngineError } from '#base/error.ts';
import type { BoxSecurity } from '#runtime/box.ts';

export type Security = {
  readonly noNewPrivileges: boolean;
  readonly seccomp: BoxSecurity['seccomp'];
};

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);
const LABEL_KEYS = ['disable', 'user', 'role', 'type', 'level', 'filetype', 'nested'];

type Draft = { noNewPrivileges: boolean; seccomp: BoxSecurity['seccomp'] };

/** Reads the options over the daemon's defaults; texts are dockerd's. */
export function parseSecurityOpt(options: readonly string[], defaults: Security): Security {
  const draft: Draft = { ...defaults };
  for (const option of options) {
    if (option === 'no-new-privileges') {
      draft.noNewPrivileges = true;
      continue;
    }
    if (option === 'disable') continue;
    const separator = option.includes('=') ? '=' : ':';
    const at = option.indexOf(separator);
    if (at === -1) throw invalid(`invalid --security-opt 1: ${JSON.stringify(option)}`);
    apply(draft, option, option.slice(0, at), option.slice(at + 1));
  }
  return draft;
}

function apply(draft: Draft, option: string, key: string, value: string): void {
  switch (key) {
    case 'no-new-privileges':
      draft.noNewPrivileges = parseBoolean(option, value);
      return;
    case 'seccomp':
      draft.seccomp = parseSeccomp(value);
      return;
    case 'apparmor':
      // Without AppArmor in the kernel dockerd ignores every profile but a named one, which runc
      // then cannot load; "unconfined" is what this host is.
      if (value === 'unconfined' || value === '') return;
      throw invalid(`apparmor profile "${value}" cannot be used: AppArmor is not enabled here`);
    case 'label':
      // SELinux is off: dockerd checks the grammar and labels nothing.
      if (LABEL_KEYS.includes(value.split(':', 1)[0] ?? '')) return;
      throw invalid(`bad label option "${value}", valid options 'disable' or 'user:value'`);
    case 'writable-cgroups':
      if (!parseBoolean(option, value)) return;
      throw new EngineError('not_implemented', 'writable-cgroups is not supported');
    default:
      throw invalid(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
}

function parseSeccomp(value: string): BoxSecurity['seccomp'] {
  if (value === 'unconfined' || value === 'builtin') return value;
  if (value === '') return 'builtin';
  try {
    const profile: unknown = JSON.parse(value);
    if (typeof profile === 'object' && profile !== null) return { profile };
  } catch (error) {
    throw new EngineError(
      'invalid_argument',
      `Decoding seccomp profile failed: ${error instanceof Error ? error.message : 'not JSON'}`,
      { cause: error },
    );
  }
  throw invalid('Decoding seccomp profile failed: not an object');
}

function parseBoolean(option: string, value: string): boolean {
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw invalid(`invalid --security-opt 2: ${JSON.stringify(option)}`);
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
