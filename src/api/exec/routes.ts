// The /exec endpoints; creating one is below /containers.
import type { Route } from '../router.ts';
import { inspectExec, resizeExec, startExec } from './exec.ts';

export const EXEC_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/exec/{id}/start', handler: startExec, hijacks: true },
  { method: 'POST', path: '/exec/{id}/resize', handler: resizeExec },
  { method: 'GET', path: '/exec/{id}/json', handler: inspectExec },
];
