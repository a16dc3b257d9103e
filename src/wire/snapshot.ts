// Coracle's own: /coracle/containers/{id}/snapshots and /rollback.

/** The answer to making a snapshot and to going back to one. */
export type SnapshotCopyReply = {
  readonly Name: string;
  readonly BytesCopied: number;
  readonly BytesShared: number;
};

export type SnapshotSummary = SnapshotCopyReply & { readonly CreatedAt: string };

/** Size: bytes on disk, with what it shares. */
export type SnapshotInspect = SnapshotSummary & { readonly Size: number };
