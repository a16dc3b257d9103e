// Whiteouts in layer archives (OCI image-spec layer.md, "Representing Changes"; the names come from
// aufs): `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` hides all that a directory has
// below.
import { corrupt } from './header.ts';

const PREFIX = '.wh.';
const META_PREFIX = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

export type LayerName =
  | { readonly kind: 'entry' }
  /** `path` is hidden. */
  | { readonly kind: 'whiteout'; readonly path: string }
  /** `path` is the directory; '' is the root. */
  | { readonly kind: 'opaque'; readonly path: string }
  /** Book-keeping of aufs; Docker skips it too. */
  | { readonly kind: 'ignored' };

/** What a normalised path (no leading slash, no empty, `.` or `..` component) says in a layer. */
export function classify(path: string): LayerName {
  if (path.startsWith(META_PREFIX) && path !== OPAQUE) return { kind: 'ignored' };
  const slash = path.lastIndexOf('/');
  const base = path.slice(slash + 1);
  if (!base.startsWith(PREFIX)) return { kind: 'entry' };
  const directory = slash < 0 ? '' : path.slice(0, slash);
  if (base === OPAQUE) return { kind: 'opaque', path: directory };
  if (base.startsWith(META_PREFIX)) return { kind: 'ignored' };
  const name = base.slice(PREFIX.length);
  if (name === '' || name === '.' || name === '..') {
    throw corrupt(`whiteout of nothing: ${JSON.stringify(path)}`);
  }
  return { kind: 'whiteout', path: directory === '' ? name : `${directory}/${name}` };
}
