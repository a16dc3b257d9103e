// A mount as somebody asks for it, and what all ways of asking have in common. Pure.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import type { Propagation } from '#runtime/box.ts';

/** A mount as asked for; names of volumes and images are not resolved yet. */
export type MountWish = {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Host path, volume name, image reference, or "" for an anonymous volume or tmpfs. */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** As given after the second colon; shown by inspect. */
  readonly mode: string;
  readonly propagation: Propagation;
  readonly recursive: boolean;
  readonly recursiveReadonly: 'no' | 'yes' | 'force';
  readonly createSource: boolean;
  readonly noCopy: boolean;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driverOptions: Readonly<Record<string, string>>;
  /** tmpfs options. */
  readonly options: readonly string[];
  /** The part of a volume or an image to show; "" = all. */
  readonly subpath: string;
  /** `U`: given to the user of the container. */
  readonly chown: boolean;
  /** `O`: changes go to a top of its own, which ends with the container's run. */
  readonly throwaway: boolean;
  /** `idmap`: owners shifted by the user namespace. */
  readonly idmap: boolean;
};

export const PROPAGATIONS: readonly string[] = [
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
] satisfies readonly Propagation[];

export const PLAIN = {
  readonly: false,
  mode: '',
  propagation: 'rprivate',
  recursive: true,
  recursiveReadonly: 'yes',
  createSource: false,
  noCopy: false,
  driver: '',
  labels: {},
  driverOptions: {},
  options: [],
  subpath: '',
  chown: false,
  throwaway: false,
  idmap: false,
} as const satisfies Partial<MountWish>;

/** Clean, absolute, and not the root itself. */
export function checkTarget(target: string, context = ''): string {
  if (!target.startsWith('/')) {
    throw invalid(`${context}invalid mount path: '${target}' mount path must be absolute`);
  }
  if (target.includes('\0')) throw invalid(`${context}invalid mount path`);
  const clean = posix.normalize(target).replace(/(?<=.)\/+$/, '');
  if (clean === '/') throw invalid(`${context}invalid specification: destination can't be '/'`);
  return clean;
}

export function checkVolumeName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only ` +
      '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use ' +
      'absolute path',
  );
}

export function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
