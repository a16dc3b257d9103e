// /_ping, /version, /info, /events, /system/df, /plugins.
import { releaseFacts } from './version.ts';
import type { Route } from '../router.ts';
import { getInfo } from './info.ts';
import { getEvents } from './events.ts';
import { getDiskUsage } from './df.ts';
import { ping } from './ping.ts';
import { sendJson } from '../exchange.ts';

export const SYSTEM_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/_ping', handler: ping },
  { method: 'HEAD', path: '/_ping', handler: ping },
  {
    method: 'GET',
    path: '/version',
    handler: (exchange) => sendJson(exchange, 200, releaseFacts(exchange.deps.facts)),
  },
  { method: 'GET', path: '/info', handler: getInfo },
  { method: 'GET', path: '/events', handler: getEvents },
  { method: 'GET', path: '/system/df', handler: getDiskUsage },
  { method: 'GET', path: '/plugins', handler: (exchange) => sendJson(exchange, 200, []) },
];
