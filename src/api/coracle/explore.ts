// GET /coracle/images/{name}/explore: what each layer adds, changes, removes and wastes. Sent in
// pieces, because an image may have a hundred thousand files.
import type { Exploration, ExploredLayer, FileChange } from '#image/explore.ts';
import type { ExploreChange } from '#wire/explore.ts';
import { closeStream, type Exchange, openStream, sendAll } from '../exchange.ts';

const KINDS = { added: 'A', changed: 'C', removed: 'D' } as const;
/** Changes that are written at a time. */
const SLICE = 1000;
const HUNDRED = 100;

export async function exploreImage(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  const name = params['name'] ?? '';
  const found = await deps.explore(name);
  openStream(exchange, 'application/json');
  await sendAll(exchange, render(name, found));
  closeStream(exchange);
}

function* pieces(name: string, found: Exploration): Generator<string> {
  const { id, bytes, wasted } = found;
  const percent = bytes === 0 ? 0 : (wasted / bytes) * HUNDRED;
  const head = { Id: id, Name: name, Bytes: bytes, Wasted: wasted, WastedPercent: percent };
  yield `${JSON.stringify(head).slice(0, -1)},"Layers":[`;
  for (const [index, layer] of found.layers.entries()) {
    yield `${index === 0 ? '' : ','}${headOf(layer)},"Changes":[`;
    for (let at = 0; at < layer.changes.length; at += SLICE) {
      const part = layer.changes.slice(at, at + SLICE).map(renderChange);
      yield (at === 0 ? '' : ',') + JSON.stringify(part).slice(1, -1);
    }
    yield ']}';
  }
  yield ']}\n';
}

async function* render(name: string, found: Exploration): AsyncGenerator<string> {
  yield* pieces(name, found);
}

function headOf({ diffId, createdBy, bytes, wasted }: ExploredLayer): string {
  const head = { DiffId: diffId, CreatedBy: createdBy, Bytes: bytes, Wasted: wasted };
  return JSON.stringify(head).slice(0, -1);
}

function renderChange({ path, kind, directory, bytes, wasted }: FileChange): ExploreChange {
  return { Path: path, Kind: KINDS[kind], Directory: directory, Bytes: bytes, Wasted: wasted };
}
