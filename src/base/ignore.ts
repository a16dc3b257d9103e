// .dockerignore, and COPY --exclude: patterns that leave paths of a context out. Go's
// filepath.Match with `**`, a `!` that takes back, and the last pattern that fits decides (Docker's
// documentation of the build context; moby/patternmatcher has the same rules).
import { posix } from 'node:path';
import { EngineError } from './error.ts';
import { PathPattern } from './path-pattern.ts';

export const IGNORE_BYTES_MAX = 1024 * 1024;
export const IGNORE_PATTERNS_MAX = 10_000;

type Rule = { readonly negated: boolean; readonly pattern: PathPattern };

export class Ignore {
  readonly #patterns: readonly Rule[];
  /** A directory that is left out may still hold something that is taken back. */
  readonly #takesBack: boolean;

  constructor(patterns: readonly string[]) {
    if (patterns.length > IGNORE_PATTERNS_MAX) {
      throw new EngineError('limit_exceeded', `more than ${IGNORE_PATTERNS_MAX} ignore patterns`);
    }
    this.#patterns = patterns.flatMap((text) => compile(text) ?? []);
    this.#takesBack = this.#patterns.some(({ negated }) => negated);
  }

  static parse(text: string): Ignore {
    if (text.length > IGNORE_BYTES_MAX) {
      throw new EngineError('limit_exceeded', '.dockerignore exceeds IGNORE_BYTES_MAX');
    }
    const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
    return new Ignore(lines.filter((line) => !line.startsWith('#')));
  }

  get empty(): boolean {
    return this.#patterns.length === 0;
  }

  /** A path relative to the context's root, without a slash at either end. */
  excludes(path: string): boolean {
    let excluded = false;
    for (const { negated, pattern } of this.#patterns) {
      // What stands for a directory stands for all that is in it.
      if (excluded === negated && pattern.matchesAbove(path)) excluded = !negated;
    }
    return excluded;
  }

  /** Nothing below the directory can be wanted: no need to look. */
  excludesAll(directory: string): boolean {
    return !this.#takesBack && this.excludes(directory);
  }
}

function compile(line: string): Rule | undefined {
  let text = line.trim();
  if (text === '') return undefined;
  const negated = text.startsWith('!');
  if (negated) {
    text = text.slice(1).trim();
    if (text === '') throw new EngineError('invalid_argument', 'illegal exclusion pattern: "!"');
  }
  text = posix.normalize(text).replace(/\/+$/, '').replace(/^\/+/, '');
  if (text === '' || text === '.') return undefined;
  return { negated, pattern: new PathPattern(text) };
}
