// Which versions of the Engine API we speak, and how two of them compare.

/** Docker 28's. 1.52 takes away fields that old clients read (NetworkSettings.IPAddress). */
export const API_VERSION = '1.51';
export const API_VERSION_MIN = '1.24';

export type ApiVersion = { readonly major: number; readonly minor: number };

/** Parses "1.44"; undefined if it is not two numbers. */
export function parseApiVersion(text: string): ApiVersion | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]) };
}

/** True if `version` is older than "1.44" or whatever `than` says. */
export function olderThan(version: string, than: string): boolean {
  const left = parseApiVersion(version);
  const right = parseApiVersion(than);
  if (left === undefined || right === undefined) return false;
  return left.major === right.major ? left.minor < right.minor : left.major < right.major;
}
