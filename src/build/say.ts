// Instructions that only say something: what becomes of the config, and the words of the history.
import { isEngineError } from '#base/error.ts';
import { parseSignal } from '#container/signal.ts';
import type { ImageConfig } from '#image/config.ts';
import {
  addPorts,
  addVolumes,
  argvOf,
  healthcheckOf,
  portsOf,
  setEntrypoint,
  setEnv,
} from './config-change.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import type { Instruction } from './dockerfile/instruction.ts';

export type Saying = Exclude<
  Instruction,
  { readonly kind: 'from' | 'arg' | 'run' | 'copy' | 'add' | 'workdir' }
>;

export type Said = {
  readonly config: ImageConfig;
  readonly text: string;
  readonly cmdIsOwn?: boolean;
  readonly author?: string;
};

export type Speaker = {
  readonly config: ImageConfig;
  /** CMD was said in this stage already. */
  readonly cmdIsOwn: boolean;
  readonly place: Place;
  /** Behind the instruction's name, as it was written. */
  readonly rest: string;
  readonly expand: (word: string) => string;
  /** A word that may become several. */
  readonly expandWords: (word: string) => readonly string[];
};

export function say(instruction: Saying, speaker: Speaker): Said {
  const { config, expand, place } = speaker;
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return sayPairs(instruction, speaker);
    case 'cmd': {
      const { command } = instruction;
      const cmd = command === undefined ? undefined : argvOf(command, config.shell);
      return { config: { ...config, cmd }, text: `CMD ${goList(cmd ?? [])}`, cmdIsOwn: true };
    }
    case 'entrypoint': {
      const next = setEntrypoint(config, instruction.command, speaker.cmdIsOwn);
      return { config: next, text: `ENTRYPOINT ${goList(next.entrypoint ?? [])}` };
    }
    case 'expose': {
      const words = instruction.ports.flatMap((word) => speaker.expandWords(expand(word)));
      const ports = words.flatMap((word) => portsOf(word, place));
      return { config: addPorts(config, ports), text: `EXPOSE ${words.toSorted().join(' ')}` };
    }
    case 'volume': {
      const paths = instruction.paths.map(expand);
      return { config: addVolumes(config, paths), text: `VOLUME [${paths.join(' ')}]` };
    }
    case 'user': {
      const user = expand(instruction.user);
      return { config: { ...config, user }, text: `USER ${user}` };
    }
    case 'shell': {
      const shell = instruction.argv;
      return { config: { ...config, shell }, text: `SHELL [${shell.join(' ')}]` };
    }
    case 'stopsignal': {
      const stopSignal = expand(instruction.signal);
      checkSignal(stopSignal, place);
      return { config: { ...config, stopSignal }, text: `STOPSIGNAL ${stopSignal}` };
    }
    case 'healthcheck': {
      const healthcheck = healthcheckOf(instruction);
      return { config: { ...config, healthcheck }, text: `HEALTHCHECK ${speaker.rest}` };
    }
    case 'maintainer': {
      const author = expand(instruction.name);
      return { config, text: `MAINTAINER ${author}`, author };
    }
    case 'onbuild': {
      const { trigger } = instruction;
      const onBuild = [...config.onBuild, trigger];
      return { config: { ...config, onBuild }, text: `ONBUILD ${trigger}` };
    }
    default:
      throw instruction satisfies never;
  }
}

/** All values see the variables of before the instruction. */
function sayPairs(
  { kind, pairs }: Extract<Saying, { kind: 'env' | 'label' }>,
  { config, expand }: Speaker,
): Said {
  const said = pairs.map(({ name, value }) => [expand(name), expand(value)] as const);
  const text = said.map(([name, value]) => `${name}=${value}`).join(' ');
  if (kind === 'label') {
    const labels = { ...config.labels, ...Object.fromEntries(said) };
    return { config: { ...config, labels }, text: `LABEL ${text}` };
  }
  let { env } = config;
  for (const [name, value] of said) env = setEnv(env, name, value);
  return { config: { ...config, env }, text: `ENV ${text}` };
}

function checkSignal(text: string, place: Place): void {
  try {
    parseSignal(text);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw failure(place, error.message, { cause: error });
  }
}

/** As Go prints a list of strings with %q. */
function goList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}
