// The /containers endpoints.
import type { Route } from '../router.ts';
import { createExec } from '../exec/exec.ts';
import { getArchive, headArchive, putArchive } from './archive.ts';
import { attachContainer } from './attach.ts';
import { attachWebSocket } from './attach-ws.ts';
import { getChanges } from './changes.ts';
import { commitContainer } from './commit.ts';
import { createContainer } from './create.ts';
import { exportContainer } from './export.ts';
import { inspectContainer, topContainer } from './inspect.ts';
import {
  killContainer,
  pauseContainer,
  removeContainer,
  renameContainer,
  resizeContainer,
  restartContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from './lifecycle.ts';
import { listContainers } from './list.ts';
import { getLogs } from './logs.ts';
import { pruneContainers } from './prune.ts';
import { getStats } from './stats.ts';
import { updateContainer } from './update.ts';
import { waitContainer } from './wait.ts';

export const CONTAINER_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/containers/json', handler: listContainers },
  { method: 'POST', path: '/containers/create', handler: createContainer },
  { method: 'POST', path: '/containers/prune', handler: pruneContainers },
  { method: 'GET', path: '/containers/{id:.*}/json', handler: inspectContainer },
  { method: 'GET', path: '/containers/{id:.*}/logs', handler: getLogs },
  { method: 'GET', path: '/containers/{id:.*}/top', handler: topContainer },
  { method: 'POST', path: '/containers/{id:.*}/start', handler: startContainer },
  { method: 'POST', path: '/containers/{id:.*}/stop', handler: stopContainer },
  { method: 'POST', path: '/containers/{id:.*}/restart', handler: restartContainer },
  { method: 'POST', path: '/containers/{id:.*}/kill', handler: killContainer },
  { method: 'POST', path: '/containers/{id:.*}/pause', handler: pauseContainer },
  { method: 'POST', path: '/containers/{id:.*}/unpause', handler: unpauseContainer },
  { method: 'POST', path: '/containers/{id:.*}/rename', handler: renameContainer },
  { method: 'POST', path: '/containers/{id:.*}/resize', handler: resizeContainer },
  { method: 'POST', path: '/containers/{id:.*}/attach', handler: attachContainer, hijacks: true },
  { method: 'POST', path: '/containers/{id:.*}/wait', handler: waitContainer },
  { method: 'POST', path: '/containers/{id:.*}/update', handler: updateContainer },
  { method: 'POST', path: '/containers/{id:.*}/exec', handler: createExec },
  { method: 'GET', path: '/containers/{id:.*}/stats', handler: getStats },
  { method: 'GET', path: '/containers/{id:.*}/changes', handler: getChanges },
  { method: 'GET', path: '/containers/{id:.*}/export', handler: exportContainer },
  { method: 'HEAD', path: '/containers/{id:.*}/archive', handler: headArchive },
  { method: 'GET', path: '/containers/{id:.*}/archive', handler: getArchive },
  { method: 'PUT', path: '/containers/{id:.*}/archive', handler: putArchive },
  {
    method: 'GET',
    path: '/containers/{id:.*}/attach/ws',
    handler: attachWebSocket,
    hijacks: true,
  },
  { method: 'POST', path: '/commit', handler: commitContainer },
  // Last, because its pattern would match all of the above.
  { method: 'DELETE', path: '/containers/{id:.*}', handler: removeContainer },
];
