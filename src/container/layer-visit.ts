// A look at what a container has written: its top layer beside the layers that it stands on. It may
// run meanwhile: the layer is only read.
import type { EngineError } from '#base/error.ts';
import type { TreeRecord, Visit } from '#runtime/visit.ts';
import type { Deps } from './deps.ts';
import { checkThere } from './guard.ts';
import type { Cuttable } from './live.ts';
import { countVisit, OpenVisit, wasEnded } from './visit.ts';

/**
 * What a start makes in the root so that something can be mounted there. dockerd has it in a layer
 * of its own below the container's, so it is no change of the container there either
 * (daemon/initlayer).
 */
export const MADE_FOR_MOUNTS: readonly string[] = [
  '.dockerenv',
  'dev',
  'dev/console',
  'dev/pts',
  'dev/shm',
  'etc',
  'etc/hostname',
  'etc/hosts',
  'etc/mtab',
  'etc/resolv.conf',
  'proc',
  'sys',
];

export type LayerLook = {
  readonly visit: OpenVisit;
  /** The differences; for a layer with their content, and every file that was written. */
  readonly differences: (options: {
    readonly data: boolean;
    readonly everyFile?: boolean;
  }) => AsyncGenerator<readonly TreeRecord[], void, undefined>;
  /** What is gone is said by marks of an overlay, or by not being there. */
  readonly marks: boolean;
};

export async function openLayer(
  deps: Deps,
  ref: string,
  parts: AsyncDisposableStack,
): Promise<LayerLook> {
  const record = deps.store.get(ref);
  checkThere(record);
  const { visits } = deps.lives.of(record.id);
  await using own = new AsyncDisposableStack();
  countVisit(own);
  // No lock is held, so that it can be removed even while this is being opened.
  let cut: EngineError | undefined;
  const opening: Cuttable = {
    holdsRoot: false,
    cut: (why) => {
      cut = wasEnded(record, why);
    },
  };
  visits.add(opening);
  let files: Visit;
  let marks: boolean;
  try {
    // One with a size is on a disk of its own, which is there only for who holds it.
    own.use(await deps.snapshots.hold(record.id));
    const written = deps.snapshots.written(record.id);
    marks = written.marks;
    files = own.use(await deps.visits.layer(written.path, written.lower));
  } catch (error) {
    throw cut ?? error;
  } finally {
    visits.delete(opening);
  }
  if (cut !== undefined) throw cut;
  own.defer(() => {
    visits.delete(visit);
  });
  const visit = parts.use(new OpenVisit({ files, record }, own.move(), { holdsRoot: false }));
  visits.add(visit);
  return {
    visit,
    marks,
    differences: ({ data, everyFile = data }) =>
      files.walk({
        directory: '',
        name: '',
        data,
        compare: marks ? 'marks' : 'absence',
        everyFile: everyFile && marks,
        omit: MADE_FOR_MOUNTS,
      }),
  };
}
