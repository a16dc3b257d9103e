// WORKDIR makes its directory when it is missing, and gives it to the user who will work there, as
// buildkit does; the classic builder gave it to root.
import type { Ingest } from '#image/content/content.ts';
import { encodeTar } from '#tar/encode.ts';
import { parentItems } from './copy-layer.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import { lookInto } from './look.ts';
import { ownerOf, ROOT } from './owner.ts';
import type { StageBuilder } from './stage.ts';
import { basePath, lookAt } from './target.ts';

export async function workdirLayer(
  { build, state }: StageBuilder,
  path: string,
  place: Place,
): Promise<Ingest | undefined> {
  const { user } = state.spec.config;
  return lookInto(build, state, async (visit) => {
    const facts = await lookAt(visit, path);
    if (facts.isFile) throw failure(place, `cannot mkdir: ${path} is not a directory`);
    if (facts.missing.length === 0) return undefined;
    const owner = user === '' ? ROOT : await ownerOf(visit, user, place);
    const names = basePath(facts).split('/');
    const first = names.length - facts.missing.length;
    const paths = facts.missing.map((_, index) => names.slice(0, first + index + 1).join('/'));
    const items = parentItems(paths, { owner, moment: build.moment });
    const { content } = build.deps.images.deps;
    return content.ingest(encodeTar(items), { signal: build.signal });
  });
}
