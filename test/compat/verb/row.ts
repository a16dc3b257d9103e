// What a row of the tables beside this file is.

/** A line of shell that is run against both engines, or one whose difference is known. */
export type Row = string | Known;
export type Known = {
  readonly run: string;
  /** Why Coracle differs on purpose, or what dockerd 20.10 did not know yet. */
  readonly differs: string;
} & (
  | { /** What must be the same still. */ readonly same: 'code' }
  | { /** The code that Coracle ends with. */ readonly ours: number }
);
export type Table = Readonly<Record<string, readonly Row[]>>;
