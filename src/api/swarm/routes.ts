// Swarm, plugins and checkpoints: known endpoints that this engine refuses, with the texts that
// clients match.
import { EngineError } from '#base/error.ts';
import type { Handler } from '../exchange.ts';
import { notImplemented } from '../refuse.ts';
import type { Method, Route } from '../router.ts';

const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect ' +
  'this node to swarm and try again.';

function refuse(code: 'unavailable' | 'not_found', text: string): Handler {
  return () => {
    throw new EngineError(code, text);
  };
}

const manager = refuse('unavailable', NOT_A_MANAGER);

const MANAGER_ONLY: readonly (readonly [Method, string])[] = [
  ['GET', '/swarm'],
  ['POST', '/swarm/update'],
  ['GET', '/swarm/unlockkey'],
  ['POST', '/swarm/unlock'],
  ['GET', '/services'],
  ['POST', '/services/create'],
  ['GET', '/services/{id}'],
  ['DELETE', '/services/{id}'],
  ['POST', '/services/{id}/update'],
  ['GET', '/services/{id}/logs'],
  ['GET', '/nodes'],
  ['GET', '/nodes/{id}'],
  ['DELETE', '/nodes/{id}'],
  ['POST', '/nodes/{id}/update'],
  ['GET', '/tasks'],
  ['GET', '/tasks/{id}'],
  ['GET', '/tasks/{id}/logs'],
  ['GET', '/secrets'],
  ['POST', '/secrets/create'],
  ['GET', '/secrets/{id}'],
  ['DELETE', '/secrets/{id}'],
  ['POST', '/secrets/{id}/update'],
  ['GET', '/configs'],
  ['POST', '/configs/create'],
  ['GET', '/configs/{id}'],
  ['DELETE', '/configs/{id}'],
  ['POST', '/configs/{id}/update'],
];

const plugins = notImplemented('plugins');
const checkpoints = notImplemented('checkpoints');

export const SWARM_ROUTES: readonly Route[] = [
  ...MANAGER_ONLY.map(([method, path]) => ({ method, path, handler: manager })),
  {
    method: 'POST',
    path: '/swarm/leave',
    handler: refuse('unavailable', 'This node is not part of a swarm'),
  },
  { method: 'POST', path: '/swarm/init', handler: notImplemented('swarm mode') },
  { method: 'POST', path: '/swarm/join', handler: notImplemented('swarm mode') },
  { method: 'GET', path: '/plugins/privileges', handler: plugins },
  {
    method: 'GET',
    path: '/plugins/{name:.*}/json',
    handler: ({ params }) => {
      throw new EngineError('not_found', `plugin "${params['name'] ?? ''}" not found`);
    },
  },
  { method: 'POST', path: '/plugins/{rest:.*}', handler: plugins },
  { method: 'DELETE', path: '/plugins/{name:.*}', handler: plugins },
  // dockerd has these only with experimental features on.
  { method: 'GET', path: '/containers/{id}/checkpoints', handler: checkpoints },
  { method: 'POST', path: '/containers/{id}/checkpoints', handler: checkpoints },
];
