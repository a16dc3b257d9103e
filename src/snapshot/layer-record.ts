// The record beside a layer's tree, read by a parser like all that comes from disk.
import { isDigest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import type { ChainId } from './chain.ts';
import { chainOn } from './chain.ts';
import type { Layer } from './snapshotter.ts';

export const LAYER_RECORD_VERSION = 1;

export type RootAttributes = { readonly mode: number; readonly uid: number; readonly gid: number };
export type LayerRecord = Layer & {
  readonly root: RootAttributes;
  /**
   * The boot of the machine that made the layer, until its files are known to be on the disk: after
   * a power cut nobody can tell what is.
   */
  readonly unsyncedBoot?: string;
};

export function encodeLayerRecord(record: LayerRecord): string {
  return `${JSON.stringify({ version: LAYER_RECORD_VERSION, ...record })}\n`;
}

export function parseLayerRecord(text: string): LayerRecord {
  const json: unknown = JSON.parse(text);
  const fault = (what: string) => new EngineError('corrupt', `layer record: bad ${what}`);
  if (typeof json !== 'object' || json === null) throw fault('JSON');
  const raw = new Map<string, unknown>(Object.entries(json));
  if (raw.get('version') !== LAYER_RECORD_VERSION) throw fault('version');
  const chain = raw.get('chain');
  const parent = raw.get('parent');
  const diffId = raw.get('diffId');
  if (!isDigest(chain) || !isDigest(diffId)) throw fault('digest');
  if (parent !== undefined && !isDigest(parent)) throw fault('parent');
  if (chainOn(parent as ChainId | undefined, diffId) !== chain) throw fault('chain');
  const number = (name: string, value: unknown): number => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw fault(name);
  };
  const root = raw.get('root');
  if (typeof root !== 'object' || root === null) throw fault('root');
  const attributes = new Map<string, unknown>(Object.entries(root));
  const boot = raw.get('unsyncedBoot');
  if (boot !== undefined && typeof boot !== 'string') throw fault('boot');
  return {
    chain: chain as ChainId,
    parent: parent as ChainId | undefined,
    diffId,
    bytes: number('bytes', raw.get('bytes')),
    tarBytes: number('tarBytes', raw.get('tarBytes')),
    root: {
      mode: number('mode', attributes.get('mode')) & 0o7777,
      uid: number('uid', attributes.get('uid')),
      gid: number('gid', attributes.get('gid')),
    },
    ...(boot === undefined ? {} : { unsyncedBoot: boot }),
  };
}
