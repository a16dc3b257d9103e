// `docker diff`: what differs from the image, each directory before what is in it.
import { EngineError } from '#base/error.ts';
import type { TreeEntry } from '#runtime/visit.ts';
import { toText } from '#tar/binary-path.ts';
import type { Deps } from './deps.ts';
import { openLayer } from './layer-visit.ts';

export type Change = {
  readonly path: string;
  readonly kind: 'changed' | 'added' | 'deleted';
};

/** All of them go out as one text; a container that writes more is better looked at by export. */
export const CHANGES_MAX = 1_000_000;

export async function changes(deps: Deps, ref: string): Promise<readonly Change[]> {
  await using parts = new AsyncDisposableStack();
  const { visit, differences } = await openLayer(deps, ref, parts);
  const found: Change[] = [];
  try {
    for await (const records of differences({ data: false })) {
      visit.touch();
      for (const record of records) {
        // The root itself is not listed, whatever became of it.
        if (record.kind !== 'entry' || record.path === '') continue;
        found.push({ path: `/${toText(record.path)}`, kind: kindOf(record) });
      }
      if (found.length > CHANGES_MAX) {
        throw new EngineError('limit_exceeded', `more than ${CHANGES_MAX} changes`, {
          facts: { limit: 'CHANGES_MAX', max: CHANGES_MAX },
        });
      }
    }
  } catch (error) {
    throw visit.reason(error);
  }
  return found;
}

function kindOf({ gone, wasThere }: TreeEntry): Change['kind'] {
  if (gone) return 'deleted';
  return wasThere ? 'changed' : 'added';
}
