// Every endpoint. docs/compat.md is compared with this table.
import { BUILD_ROUTES } from './build/routes.ts';
import { CONTAINER_ROUTES } from './container/routes.ts';
import { CORACLE_ROUTES } from './coracle/routes.ts';
import { EXEC_ROUTES } from './exec/routes.ts';
import { IMAGE_ROUTES } from './image/routes.ts';
import { NETWORK_ROUTES } from './network/routes.ts';
import type { Route } from './router.ts';
import { SWARM_ROUTES } from './swarm/routes.ts';
import { SYSTEM_ROUTES } from './system/routes.ts';
import { VOLUME_ROUTES } from './volume/routes.ts';

export const ROUTES: readonly Route[] = [
  ...SYSTEM_ROUTES,
  ...CONTAINER_ROUTES,
  ...EXEC_ROUTES,
  ...IMAGE_ROUTES,
  ...BUILD_ROUTES,
  ...VOLUME_ROUTES,
  ...NETWORK_ROUTES,
  ...SWARM_ROUTES,
  ...CORACLE_ROUTES,
];
