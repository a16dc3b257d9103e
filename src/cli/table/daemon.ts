// The flags of `daemon`, for completion and `help daemon`: src/main.ts hands the words to the
// daemon itself, which reads them by src/daemon/flags.ts.
import { DAEMON_FLAGS as ALL } from '#base/daemon-flag.ts';
import { bool, int, list, string } from '../flag-kind.ts';
import { type FlagSpec, flag } from '../flags.ts';

const KINDS = {
  text: string,
  boolean: bool,
  number: int,
  list,
  pairs: list,
  ulimits: list,
  runtimes: list,
  options: list,
  entry: string,
} as const;

/** Without --help, which every command has. */
export const DAEMON_FLAGS: readonly FlagSpec[] = ALL.filter(({ name }) => name !== 'help').map(
  ({ name, kind, help, short }) =>
    flag(name, KINDS[kind], help, short === undefined ? {} : { short }),
);
