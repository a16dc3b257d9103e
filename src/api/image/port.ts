// What the image endpoints ask of image/, narrow enough for a test to stand in.
import type { ImageDeps } from '#image/deps.ts';
import type { ImageService } from '#image/image.ts';

export type ImagePort = Pick<
  ImageService,
  | 'resolve'
  | 'list'
  | 'load'
  | 'import'
  | 'save'
  | 'tag'
  | 'remove'
  | 'prune'
  | 'history'
  | 'pull'
  | 'partials'
  | 'push'
  | 'inspectRemote'
  | 'login'
  | 'search'
> & {
  /** The layers that are there, for /system/df. */
  readonly deps: { readonly snapshots: Pick<ImageDeps['snapshots'], 'list'> };
};
