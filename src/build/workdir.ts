// WORKDIR makes its directory when it is missing.
import { encodeTar } from '#tar/encode.ts';
import type { Ingest } from '#image/content/content.ts';
import { lookAt, parentItems } from './copy-layer.ts';
import { lookInto } from './look.ts';
import type { StageBuilder } from './stage.ts';
import { toBinary } from '#tar/binary-path.ts';

const ROOT = { uid: 0, gid: 0 };

export async function workdirLayer(stage: StageBuilder, path: string): Promise<Ingest | undefined> {
  const { build, state } = stage;
  const facts = await lookInto(build, state, (visit) => lookAt(visit, path));
  if (facts.missing.length === 0) return undefined;
  const names = [...facts.existing.split('/'), ...facts.missing.map(toBinary)].filter(
    (part) => part !== '',
  );
  const first = names.length - facts.missing.length;
  const parents = facts.missing.map((_, index) => names.slice(0, first + index + 1).join('/'));
  const items = parentItems(parents, {
    owner: ROOT,
    mode: undefined,
    epoch: build.epoch,
    moment: build.moment,
  });
  const { content } = build.deps.images.deps;
  return content.ingest(encodeTar(items), { signal: build.signal });
}
