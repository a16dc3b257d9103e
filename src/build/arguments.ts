// Values of ARG: what the caller gave, what every build gives, and what stands before the first FROM.
import { formatPlatform, type Platform } from '#image/platform.ts';
import { PLATFORM_ARGS, PROXY_ARGS } from './dockerfile/check.ts';
import type { Dockerfile } from './dockerfile/dockerfile.ts';
import { expandAt } from './dockerfile/parse.ts';

/** Of the context of a git repository. */
export const KEEP_GIT_DIR = 'BUILDKIT_CONTEXT_KEEP_GIT_DIR';
const PREDEFINED: readonly string[] = ['SOURCE_DATE_EPOCH', KEEP_GIT_DIR];

export class BuildArguments {
  readonly #given: ReadonlyMap<string, string>;
  readonly #globals = new Map<string, string | undefined>();
  readonly #used = new Set([...PREDEFINED, ...PLATFORM_ARGS, ...PROXY_ARGS]);

  constructor(
    given: Readonly<Record<string, string>>,
    file: Dockerfile,
    platforms: { readonly target: Platform; readonly build: Platform },
  ) {
    this.#given = new Map(Object.entries(given));
    for (const [name, value] of platformArgs(platforms)) this.#globals.set(name, value);
    const { escapeChar } = file.source;
    const lookup = (name: string): string | undefined => this.#globals.get(name);
    for (const { instruction, place } of file.globalArgs) {
      for (const { name, value } of instruction.args) {
        const own =
          value === undefined ? undefined : expandAt(value, place, { escapeChar, lookup });
        this.#globals.set(name, this.given(name) ?? own ?? this.#globals.get(name));
      }
    }
  }

  /** By the caller. */
  given(name: string): string | undefined {
    const value = this.#given.get(name);
    if (value !== undefined) this.#used.add(name);
    return value;
  }

  /** In FROM, and of an ARG in a stage that has no value of its own. */
  global = (name: string): string | undefined => this.#globals.get(name);

  /** Names that the caller gave and nobody has asked for. */
  unused(): readonly string[] {
    return [...this.#given.keys()].filter((name) => !this.#used.has(name)).toSorted();
  }
}

function platformArgs(platforms: {
  readonly target: Platform;
  readonly build: Platform;
}): readonly (readonly [string, string])[] {
  return (['target', 'build'] as const).flatMap((side) => {
    const platform = platforms[side];
    const { os, architecture, variant } = platform;
    const name = side.toUpperCase();
    return [
      [`${name}PLATFORM`, formatPlatform(platform)],
      [`${name}OS`, os],
      [`${name}ARCH`, architecture],
      [`${name}VARIANT`, variant],
    ] as const;
  });
}
