// Coracle's own endpoints: `GET /coracle/containers/{id}/explain` and `POST /coracle/plan`.

export type ExplainStep = {
  readonly Step: number;
  readonly Op: string;
  /** As a system call with its arguments. */
  readonly Text: string;
  readonly Why: string;
  /** Which process did it: agent, monitor, init. */
  readonly Where: string;
  readonly Nanoseconds: number | null;
  readonly Errno: string | null;
};

export type ExplainGroup = { readonly Name: string; readonly Steps: readonly ExplainStep[] };

export type ExplainReply = {
  readonly Id: string;
  readonly Name: string;
  readonly Image: string;
  readonly Groups: readonly ExplainGroup[];
  readonly TotalNanoseconds: number | null;
  /** Absent for a container that is not made. */
  readonly Branches?: BranchesReply;
};

/** What a root is made of. */
export type BranchesReply = {
  readonly Driver: string;
  readonly Writable: { readonly Path: string; readonly Bytes: number; readonly Files: number };
  /** The top one first. */
  readonly Readonly: readonly {
    readonly DiffId: string;
    readonly Path: string;
    readonly Bytes: number;
    /** Other containers that stand on it. */
    readonly Others: number;
  }[];
  readonly CopiedUp: {
    readonly Files: number;
    readonly Bytes: number;
    readonly Largest: readonly { readonly Path: string; readonly Bytes: number }[];
  };
  readonly SavedBytes: number;
};
