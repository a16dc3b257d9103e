// The table of routes and how a path finds its handler. A route is data: method, path with {name}
// (one segment) or {name:.*} (slashes too, for image names), handler.
import type { Handler } from './exchange.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

export type Route = {
  readonly method: Method;
  readonly path: string;
  readonly handler: Handler;
  /** Answers an Upgrade by taking the connection over. */
  readonly hijacks?: true;
};

export type Match = { readonly route: Route; readonly params: Readonly<Record<string, string>> };

type Compiled = { readonly route: Route; readonly pattern: RegExp };

export class Router {
  /** By method and first segment, so that a request tests a handful of patterns. */
  readonly #routes = new Map<string, Compiled[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const key = keyOf(route.method, route.path);
      const list = this.#routes.get(key) ?? [];
      list.push({ route, pattern: compile(route.path) });
      this.#routes.set(key, list);
    }
  }

  /** `path` is decoded and without a version. */
  find(method: string, path: string): Match | undefined {
    for (const { route, pattern } of this.#routes.get(keyOf(method, path)) ?? []) {
      const match = pattern.exec(path);
      if (match !== null) return { route, params: { ...match.groups } };
    }
    return undefined;
  }
}

function keyOf(method: string, path: string): string {
  return `${method} ${path.split('/', 2)[1] ?? ''}`;
}

function compile(path: string): RegExp {
  const source = path.replace(/[.*+?^$()|[\]\\]|\{(\w+)(:\.\*)?\}/g, (text, name, rest) => {
    if (typeof name !== 'string') return `\\${text}`;
    return rest === undefined ? `(?<${name}>[^/]+)` : `(?<${name}>.+)`;
  });
  return new RegExp(`^${source}$`, 's');
}
