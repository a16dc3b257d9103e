// The /images endpoints. A name may hold slashes.
import type { Route } from '../router.ts';
import { checkAuth } from './auth.ts';
import { deleteImage, pruneImages, tagImage } from './change.ts';
import { inspectDistribution } from './distribution.ts';
import { imageHistory, inspectImage, listImages } from './list.ts';
import { pushImage } from './push.ts';
import { searchImages } from './search.ts';
import { createImage, loadImages, saveImages } from './transfer.ts';

export const IMAGE_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/images/json', handler: listImages },
  { method: 'GET', path: '/images/search', handler: searchImages },
  { method: 'GET', path: '/images/get', handler: saveImages },
  { method: 'POST', path: '/images/create', handler: createImage },
  { method: 'POST', path: '/images/load', handler: loadImages },
  { method: 'POST', path: '/images/prune', handler: pruneImages },
  { method: 'GET', path: '/images/{name:.*}/json', handler: inspectImage },
  { method: 'GET', path: '/images/{name:.*}/history', handler: imageHistory },
  { method: 'GET', path: '/images/{name:.*}/get', handler: saveImages },
  { method: 'POST', path: '/images/{name:.*}/tag', handler: tagImage },
  { method: 'POST', path: '/images/{name:.*}/push', handler: pushImage },
  { method: 'DELETE', path: '/images/{name:.*}', handler: deleteImage },
  { method: 'GET', path: '/distribution/{name:.*}/json', handler: inspectDistribution },
  { method: 'POST', path: '/auth', handler: checkAuth },
];
