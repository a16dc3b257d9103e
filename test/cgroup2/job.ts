// What the two sides of a booted kernel say to each other, by files in a folder of the host.

export const WISH_FILE = 'wish.json';
export const RESULTS_FILE = 'results.jsonl';

export type Wish = {
  /** Test files, from the root of the repository. */
  readonly files: readonly string[];
  readonly fileMsMax: number;
};

export type Outcome = {
  readonly name: string;
  readonly ms: number;
  readonly error?: string;
  /** The reason, or "true". */
  readonly skipped?: string;
  /** The last line: every file was run. */
  readonly end?: true;
};
