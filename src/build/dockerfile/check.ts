// What is likely a mistake in a Dockerfile that can be built: the rules of `docker build --check`,
// by their names there (docs.docker.com, "Build checks").
import type { Dockerfile, Stage } from './dockerfile.ts';
import type { Place } from './fault.ts';
import type { Instruction, Located } from './instruction.ts';
import { INSTRUCTION_NAMES } from './parse.ts';
import { expandWord } from './words.ts';

export type Warning = {
  readonly rule: string;
  readonly message: string;
  readonly place: Place;
};

type Tell = (rule: string, place: Place, message: string) => void;

/** Given by every build, declared or not, in FROM. */
export const PLATFORM_ARGS: readonly string[] = ['TARGET', 'BUILD'].flatMap((side) =>
  ['PLATFORM', 'OS', 'ARCH', 'VARIANT'].map((part) => `${side}${part}`),
);
/** Usable in RUN without an ARG. */
export const PROXY_ARGS: readonly string[] = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'FTP_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
].flatMap((name) => [name, name.toLowerCase()]);

const RESERVED_STAGES = new Set(['context', 'scratch']);
const SECRET =
  /(?:^|_)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:^|_)public(?:_|$)|_(?:file|path|dir|url)$/i;

export function checkDockerfile(file: Dockerfile): readonly Warning[] {
  const warnings: Warning[] = [];
  const tell: Tell = (rule, place, message) => warnings.push({ rule, message, place });
  for (const line of file.source.emptyContinuations) {
    tell('NoEmptyContinuation', { start: line, end: line }, 'Empty continuation line');
  }
  checkCasing(file, tell);
  checkFroms(file, tell);
  for (const stage of file.stages) checkStage(file, stage, tell);
  return warnings.toSorted((a, b) => a.place.start - b.place.start);
}

function checkCasing(file: Dockerfile, tell: Tell): void {
  const known = file.source.statements.filter(({ name }) => INSTRUCTION_NAMES.includes(name));
  const lower = known.filter(({ spelling }) => spelling === spelling.toLowerCase()).length;
  const upper = known.filter(({ spelling, name }) => spelling === name).length;
  const wanted = lower > upper ? 'lowercase' : 'uppercase';
  for (const { name, spelling, place } of known) {
    const right = wanted === 'lowercase' ? name.toLowerCase() : name;
    if (spelling === right) continue;
    tell(
      'ConsistentInstructionCasing',
      place,
      `Command '${spelling}' should match the case of the command majority (${wanted})`,
    );
  }
}

function checkFroms(file: Dockerfile, tell: Tell): void {
  const names = new Set<string>();
  const globals = new Map<string, string | undefined>();
  for (const { instruction } of file.globalArgs) {
    for (const { name, value } of instruction.args) globals.set(name, value);
  }
  const quote = file.source.escapeChar;
  for (const { from, name } of file.stages) {
    const { place, statement, instruction } = from;
    const [, as = '', written = ''] = /\s(as)\s+(\S+)\s*$/i.exec(statement.rest) ?? [];
    if (written !== written.toLowerCase()) {
      tell('StageNameCasing', place, `Stage name '${written}' should be lowercase`);
    }
    const isUpper = statement.spelling === statement.spelling.toUpperCase();
    if (as !== '' && as !== (isUpper ? 'AS' : 'as')) {
      tell(
        'FromAsCasing',
        place,
        `'${as}' and '${statement.spelling}' keywords' casing do not match`,
      );
    }
    if (name !== '' && names.has(name)) {
      tell(
        'DuplicateStageName',
        place,
        `Duplicate stage name '${name}', stage names should be unique`,
      );
    }
    if (RESERVED_STAGES.has(name)) {
      tell('ReservedStageName', place, `Stage name should not use the reserved name '${name}'`);
    }
    if (name !== '') names.add(name);
    const lookup = (key: string): string | undefined =>
      PLATFORM_ARGS.includes(key) ? 'x' : globals.get(key);
    const onUnset = (key: string): void => {
      if (globals.has(key)) return;
      tell('UndefinedArgInFrom', place, `FROM argument '${key}' is not declared`);
    };
    const image = quietly(() =>
      expandWord(instruction.image, { escapeChar: quote, lookup, onUnset }),
    );
    if (image !== undefined && (image === '' || /^:|:$/.test(image))) {
      tell(
        'InvalidDefaultArgInFrom',
        place,
        `Default value for ARG ${instruction.image} results in empty or invalid base image name`,
      );
    }
    quietly(() => expandWord(instruction.platform, { escapeChar: quote, lookup, onUnset }));
    if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(instruction.platform)) {
      tell(
        'RedundantTargetPlatform',
        place,
        `Setting platform to predefined ${instruction.platform} in FROM is redundant as this is the default behavior`,
      );
    } else if (/^[^$]+$/.test(instruction.platform)) {
      tell(
        'FromPlatformFlagConstDisallowed',
        place,
        `FROM --platform flag should not use constant value "${instruction.platform}"`,
      );
    }
  }
}

function checkStage(file: Dockerfile, stage: Stage, tell: Tell): void {
  const quote = file.source.escapeChar;
  // A stage on another inherits its variables; of an image they are not known here.
  const isScratch = stage.from.instruction.image === 'scratch';
  const defined = new Set<string>([...PROXY_ARGS, 'PATH', ...PLATFORM_ARGS]);
  const latest = new Map<string, Place>();
  let workdirSet = !isScratch;
  for (const located of stage.instructions) {
    const { instruction, place } = located;
    if (isScratch) checkVariables(located, quote, defined, tell);
    if (instruction.kind === 'workdir') {
      const absolute = instruction.path.startsWith('/') || instruction.path.startsWith('$');
      if (!absolute && !workdirSet) {
        tell(
          'WorkdirRelativePath',
          place,
          `Relative workdir '${instruction.path}' can have unexpected results if the base image changes`,
        );
      }
      workdirSet = true;
    }
    checkOne(located, tell);
    if (['cmd', 'entrypoint', 'healthcheck'].includes(instruction.kind)) {
      const name = located.statement.name;
      const before = latest.get(name);
      if (before !== undefined) {
        tell(
          'MultipleInstructionsDisallowed',
          before,
          `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`,
        );
      }
      latest.set(name, place);
    }
    define(instruction, defined);
  }
}

function define(instruction: Instruction, defined: Set<string>): void {
  if (instruction.kind === 'env') for (const { name } of instruction.pairs) defined.add(name);
  if (instruction.kind === 'arg') for (const { name } of instruction.args) defined.add(name);
}

function checkOne({ instruction, place, statement }: Located, tell: Tell): void {
  switch (instruction.kind) {
    case 'cmd':
    case 'entrypoint':
      if (instruction.command?.form === 'shell') {
        tell(
          'JSONArgsRecommended',
          place,
          `JSON arguments recommended for ${statement.name} to prevent unintended behavior related to OS signals`,
        );
      }
      return;
    case 'maintainer':
      tell(
        'MaintainerDeprecated',
        place,
        'Maintainer instruction is deprecated in favor of using label',
      );
      return;
    case 'env':
    case 'label': {
      const [first] = instruction.pairs;
      if (first !== undefined && !statement.rest.startsWith(`${first.name}=`)) {
        tell(
          'LegacyKeyValueFormat',
          place,
          `"${statement.name} key=value" should be used instead of legacy "${statement.name} key value" format`,
        );
      }
      if (instruction.kind === 'env') for (const { name } of instruction.pairs) secret('ENV', name);
      return;
    }
    case 'arg':
      for (const { name } of instruction.args) secret('ARG', name);
      return;
    case 'expose':
      for (const port of instruction.ports) {
        const [, protocol = ''] = port.split('/');
        if (protocol === protocol.toLowerCase()) continue;
        tell(
          'ExposeProtoCasing',
          place,
          `Defined protocol '${port}' in EXPOSE should be lowercase`,
        );
      }
      return;
    default:
  }
  function secret(kind: string, name: string): void {
    if (!SECRET.test(name) || NO_SECRET.test(name)) return;
    tell(
      'SecretsUsedInArgOrEnv',
      place,
      `Do not use ARG or ENV instructions for sensitive data (${kind} "${name}")`,
    );
  }
}

function checkVariables(
  { instruction, place }: Located,
  quote: string,
  defined: ReadonlySet<string>,
  tell: Tell,
): void {
  const onUnset = (name: string): void =>
    tell('UndefinedVar', place, `Usage of undefined variable '$${name}'`);
  const lookup = (name: string): string | undefined => (defined.has(name) ? 'x' : undefined);
  for (const word of wordsOf(instruction)) {
    quietly(() => expandWord(word, { escapeChar: quote, lookup, onUnset }));
  }
}

/** The words in which a build replaces variables. */
function wordsOf(instruction: Instruction): readonly string[] {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return instruction.pairs.map(({ value }) => value);
    case 'arg':
      return instruction.args.flatMap(({ value }) => value ?? []);
    case 'copy':
    case 'add':
      return [...instruction.sources, instruction.target, instruction.chown, instruction.chmod];
    case 'expose':
      return instruction.ports;
    case 'volume':
      return instruction.paths;
    case 'user':
      return [instruction.user];
    case 'workdir':
      return [instruction.path];
    case 'stopsignal':
      return [instruction.signal];
    default:
      return [];
  }
}

/** What cannot be expanded is an error of the build, and told there. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
