// Ids of a container with a user namespace: archives have those that the container sees, the disk
// and we have those outside (user_namespaces(7)). Pure.
import { EngineError } from '#base/error.ts';
import type { IdMapping } from '#runtime/box.ts';

/** Who the kernel shows for an id that has no name here. */
const OVERFLOW_ID = 65_534;

export type IdShift = {
  readonly toInside: (id: number) => number;
  /** Throws for an id that the container does not have. */
  readonly toOutside: (id: number) => number;
  /** Outside id of the container's root; undefined without a user namespace. */
  readonly root: number | undefined;
};

export function idShift(mappings: readonly IdMapping[] | undefined): IdShift {
  if (mappings === undefined) return { toInside: same, toOutside: same, root: undefined };
  return {
    root: mappings.find(({ inside }) => inside === 0)?.outside,
    toInside: (id) => {
      const range = mappings.find(({ outside, count }) => id >= outside && id < outside + count);
      return range === undefined ? OVERFLOW_ID : id - range.outside + range.inside;
    },
    toOutside: (id) => {
      const range = mappings.find(({ inside, count }) => id >= inside && id < inside + count);
      if (range !== undefined) return id - range.inside + range.outside;
      const text = `Container ID ${id} cannot be mapped to a host ID`;
      throw new EngineError('invalid_argument', text);
    },
  };
}

function same(id: number): number {
  return id;
}

const REVISION_2 = 0x0200_0000;
const REVISION_3 = 0x0300_0000;
const REVISION_MASK = 0xff00_0000;
const BYTES_2 = 20;
const BYTES_3 = 24;

/**
 * File capabilities name the root that they are good for (capabilities(7), "File capability
 * versioning"): in an archive that is whoever unpacks it, on disk it is the container's.
 */
export function capabilityToInside(value: Buffer): Buffer {
  if (value.length !== BYTES_3) return value;
  const magic = value.readUInt32LE(0);
  if ((magic & REVISION_MASK) >>> 0 !== REVISION_3) return value;
  const plain = Buffer.from(value.subarray(0, BYTES_2));
  plain.writeUInt32LE(((magic & ~REVISION_MASK) | REVISION_2) >>> 0, 0);
  return plain;
}

export function capabilityToOutside(value: Buffer, root: number | undefined): Buffer {
  if (root === undefined || value.length !== BYTES_2) return value;
  const magic = value.readUInt32LE(0);
  const owned = Buffer.alloc(BYTES_3);
  value.copy(owned);
  owned.writeUInt32LE(((magic & ~REVISION_MASK) | REVISION_3) >>> 0, 0);
  owned.writeUInt32LE(root, BYTES_2);
  return owned;
}
