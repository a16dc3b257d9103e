// What a container's root is made of, in the words of the API.
import type { Explanation } from '#container/engine.ts';
import type { BranchesReply } from '#wire/explain.ts';

export function renderBranches(branches: NonNullable<Explanation['branches']>): BranchesReply {
  const { writable, copiedUp } = branches;
  return {
    Driver: branches.driver,
    Writable: { Path: writable.path, Bytes: writable.bytes, Files: writable.files },
    Readonly: branches.readonly.map(({ diffId, path, bytes, others }) => ({
      DiffId: diffId,
      Path: path,
      Bytes: bytes,
      Others: others,
    })),
    CopiedUp: {
      Files: copiedUp.files,
      Bytes: copiedUp.bytes,
      Largest: copiedUp.largest.map(({ path, bytes }) => ({ Path: path, Bytes: bytes })),
    },
    SavedBytes: branches.savedBytes,
  };
}
