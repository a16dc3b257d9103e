// What one case of the corpus says: a Dockerfile with its context, and what is asked for.
import type { EncodeKind } from '#tar/encode.ts';

/** One entry of a context; a text is a file of mode 0644. */
export type ContextEntry =
  | string
  | {
      readonly kind?: EncodeKind;
      readonly text?: string | Uint8Array;
      readonly mode?: number;
      readonly uid?: number;
      readonly link?: string;
      readonly xattrs?: Readonly<Record<string, string>>;
    };

export type BuildCase = {
  /** A sentence, unique. */
  readonly name: string;
  readonly dockerfile: string;
  /** Paths in the order of the archive; one that ends in a slash is a directory. */
  readonly context?: Readonly<Record<string, ContextEntry>>;
  /** Of POST /build. */
  readonly query?: Readonly<Record<string, string>>;
  /**
   * Why dockerd's classic builder is not asked: it knows an older language, or has a fault that is
   * not copied.
   */
  readonly differs?: string;
};
