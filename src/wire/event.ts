// One line of `GET /events`.
import type { StringMap } from './container-config.ts';

export type EventMessage = {
  /** Container and image events only, and only below 1.52. */
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: StringMap };
  readonly scope: string;
  /** Seconds since 1970. */
  readonly time: number;
  /** Nanoseconds since 1970. More than a JavaScript number holds exactly: read it as text. */
  readonly timeNano: number;
};
