// A look into where a stage stands: its layers as a root file system, without a container.
import type { Visit } from '#runtime/visit.ts';
import type { BuildShared } from './shared.ts';
import { chainOfState, type State } from './state.ts';

/** `work` gets undefined for a stage without layers. */
export async function lookInto<T>(
  build: BuildShared,
  state: State,
  work: (visit: Visit | undefined) => Promise<T>,
): Promise<T> {
  const chain = chainOfState(state);
  if (chain === undefined) return work(undefined);
  await using visit = await build.deps.visits.image(build.deps.images.deps.snapshots.lower(chain));
  return await work(visit);
}
