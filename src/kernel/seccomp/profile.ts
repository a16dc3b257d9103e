// A seccomp profile in Docker's JSON format, parsed from what a user gives. The OCI form, which a
// runtime takes, is LinuxSeccomp: without conditions on capabilities, architecture and kernel.
import { EngineError } from '#base/error.ts';
import { parseAction, type SeccompAction } from './action.ts';

export const OPERATORS = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ', // (argument & value) == (valueTwo & value)
] as const;
export type SeccompOperator = (typeof OPERATORS)[number];

/** Unsigned 64 bits: a number where it is exact, else a bigint. */
export type Word = number | bigint;

export type SeccompArg = {
  readonly index: number;
  readonly value: Word;
  readonly valueTwo: Word;
  readonly op: SeccompOperator;
};

export type LinuxSyscall = {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
};

export type LinuxSeccomp = {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  /** SCMP_ARCH_*; the native one is always meant too. */
  readonly architectures: readonly string[];
  readonly flags?: readonly string[];
  readonly syscalls: readonly LinuxSyscall[];
};

export type Condition = {
  /** All of these in `includes`, any of these in `excludes`. */
  readonly caps?: readonly string[];
  /** Go-like names: amd64, x86, x32, arm64, arm. */
  readonly arches?: readonly string[];
  readonly minKernel?: readonly [major: number, minor: number];
};

export type ProfileRule = LinuxSyscall & {
  readonly includes?: Condition;
  readonly excludes?: Condition;
};

export type ArchMapEntry = {
  readonly architecture: string;
  readonly subArchitectures: readonly string[];
};

export type SeccompProfile = {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly ArchMapEntry[];
  readonly flags?: readonly string[];
  readonly syscalls: readonly ProfileRule[];
};

const ARG_INDEX_MAX = 5;
const WORD_MAX = 2n ** 64n - 1n;
const PROFILE_RULES_MAX = 10_000;

/** Parses JSON text; integers beyond 2^53 stay exact. */
export function parseProfileText(text: string): SeccompProfile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text, exactIntegers);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
  return parseDecoded(value);
}

/**
 * Parses what JSON text holds, or the text itself. Undefined for a profile that says nothing:
 * Docker takes it as "unconfined".
 */
export function parseProfile(value: unknown): SeccompProfile | undefined {
  return typeof value === 'string' ? parseProfileText(value) : parseDecoded(value);
}

function parseDecoded(value: unknown): SeccompProfile | undefined {
  const object = asObject(value, 'the profile');
  const rules = asList(object['syscalls'], 'syscalls');
  const defaultAction = asText(object['defaultAction'], 'defaultAction');
  if (defaultAction === undefined && rules.length === 0) return undefined;
  if (rules.length > PROFILE_RULES_MAX) {
    throw invalid(`more than ${PROFILE_RULES_MAX} entries in syscalls`);
  }
  const architectures = asTexts(object['architectures'], 'architectures');
  const archMap = asList(object['archMap'], 'archMap').map(parseArchMapEntry);
  if (architectures.length > 0 && archMap.length > 0) {
    throw new EngineError(
      'invalid_argument',
      "both 'architectures' and 'archMap' are specified in the seccomp profile, " +
        "use either 'architectures' or 'archMap'",
    );
  }
  const defaultErrnoRet = asInteger(object['defaultErrnoRet'], 'defaultErrnoRet');
  const flags = asTexts(object['flags'], 'flags');
  return {
    defaultAction: parseAction(defaultAction ?? ''),
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(archMap.length === 0 ? {} : { archMap }),
    ...(object['flags'] === undefined ? {} : { flags }),
    syscalls: rules.map(parseRule),
  };
}

function parseArchMapEntry(value: unknown): ArchMapEntry {
  const object = asObject(value, 'archMap');
  return {
    architecture: asText(object['architecture'], 'architecture') ?? '',
    subArchitectures: asTexts(object['subArchitectures'], 'subArchitectures'),
  };
}

function parseRule(value: unknown): ProfileRule {
  const object = asObject(value, 'syscalls');
  const name = asText(object['name'], 'name') ?? '';
  const names = asTexts(object['names'], 'names');
  if (name !== '' && names.length > 0) {
    throw new EngineError(
      'invalid_argument',
      "both 'name' and 'names' are specified in the seccomp profile, " +
        "use either 'name' or 'names'",
    );
  }
  const errnoRet = asInteger(object['errnoRet'], 'errnoRet');
  const args = asList(object['args'], 'args').map(parseArg);
  const includes = parseCondition(object['includes'], 'includes');
  const excludes = parseCondition(object['excludes'], 'excludes');
  return {
    names: name === '' ? names : [name],
    action: parseAction(asText(object['action'], 'action') ?? ''),
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args.length === 0 ? {} : { args }),
    ...(includes === undefined ? {} : { includes }),
    ...(excludes === undefined ? {} : { excludes }),
  };
}

function parseArg(value: unknown): SeccompArg {
  const object = asObject(value, 'args');
  const index = asInteger(object['index'], 'index') ?? 0;
  if (index < 0 || index > ARG_INDEX_MAX) throw invalid(`index ${index} is not an argument`);
  const op = asText(object['op'], 'op') ?? '';
  if (!OPERATORS.includes(op as SeccompOperator)) {
    throw new EngineError('invalid_argument', `string ${op} is not a valid operator for seccomp`);
  }
  return {
    index,
    value: asWord(object['value'], 'value'),
    valueTwo: asWord(object['valueTwo'], 'valueTwo'),
    op: op as SeccompOperator,
  };
}

function parseCondition(value: unknown, field: string): Condition | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, field);
  const minKernel = asText(object['minKernel'], 'minKernel') ?? '';
  return {
    caps: asTexts(object['caps'], 'caps'),
    arches: asTexts(object['arches'], 'arches'),
    ...(minKernel === '' ? {} : { minKernel: parseKernel(minKernel) }),
  };
}

/** "4.8" or "5.10.1-arch": the first two numbers count. */
export function parseKernel(text: string): readonly [major: number, minor: number] {
  const match = /^(\d{1,4})\.(\d{1,4})(?:\D.*)?$/.exec(text);
  if (match === null) throw invalid(`"${text}" is not a kernel version`);
  return [Number(match[1]), Number(match[2])];
}

function exactIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return /^\d+$/.test(context?.source ?? '') ? BigInt(context?.source ?? '') : value;
}

function asObject(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${field} is not an object`);
  }
  // A copy without prototype: "__proto__" and the like are then plain, absent keys.
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    object[FIELD_OF.get(key.toLowerCase()) ?? key] = item;
  }
  return object;
}

/** Go takes a field's name in any letters: a profile of such names is not an empty one. */
const FIELDS = [
  'action',
  'architecture',
  'architectures',
  'archMap',
  'arches',
  'args',
  'caps',
  'defaultAction',
  'defaultErrnoRet',
  'errnoRet',
  'excludes',
  'flags',
  'includes',
  'index',
  'minKernel',
  'name',
  'names',
  'op',
  'subArchitectures',
  'syscalls',
  'value',
  'valueTwo',
];
const FIELD_OF: ReadonlyMap<string, string> = new Map(
  FIELDS.map((name) => [name.toLowerCase(), name]),
);

function asList(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${field} is not a list`);
  return value;
}

function asTexts(value: unknown, field: string): string[] {
  return asList(value, field).map((each) => {
    if (typeof each !== 'string') throw invalid(`${field} has an entry that is not a text`);
    return each;
  });
}

function asText(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalid(`${field} is not a text`);
  return value;
}

function asInteger(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw invalid(`${field} is not a whole number`);
  }
  return value;
}

function asWord(value: unknown, field: string): Word {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  if (typeof value === 'bigint' && value >= 0n && value <= WORD_MAX) return value;
  throw invalid(`${field} is not an unsigned 64-bit number`);
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', `Decoding seccomp profile failed: ${text}`);
}
