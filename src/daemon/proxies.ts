// `"proxies"` of the configuration file, over the environment that the daemon was started with. As
// dockerd does: whoever asks something outside looks at HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
import { EngineError } from '#base/error.ts';

export type Proxies = {
  readonly http: string | undefined;
  readonly https: string | undefined;
  readonly none: string | undefined;
};

const KEYS = { 'http-proxy': 'http', 'https-proxy': 'https', 'no-proxy': 'none' } as const;
const VARIABLES = { http: 'HTTP_PROXY', https: 'HTTPS_PROXY', none: 'NO_PROXY' } as const;

export function parseProxies(value: unknown): Proxies {
  const proxies: Record<keyof Proxies, string | undefined> = {
    http: undefined,
    https: undefined,
    none: undefined,
  };
  for (const [key, text] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    const name = Object.hasOwn(KEYS, key) ? KEYS[key as keyof typeof KEYS] : undefined;
    if (name === undefined) {
      const known = Object.keys(KEYS).join(', ');
      throw new EngineError('invalid_argument', `proxies has no ${key}: there are ${known}`);
    }
    if (typeof text !== 'string') {
      throw new EngineError('invalid_argument', `the value of ${key} is no text`);
    }
    if (text !== '') proxies[name] = text;
  }
  return proxies;
}

/** Both spellings, so that none of the other case wins. */
export function useProxies(proxies: Proxies, environment: NodeJS.ProcessEnv): void {
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const text = proxies[name as keyof Proxies];
    if (text === undefined) continue;
    environment[variable] = text;
    environment[variable.toLowerCase()] = text;
  }
}

/** What /info tells of them, without a password. */
export function proxyFacts(environment: NodeJS.ProcessEnv): Record<keyof Proxies, string> {
  const of = (variable: string): string =>
    maskCredentials(environment[variable] || environment[variable.toLowerCase()] || '');
  return { http: of('HTTP_PROXY'), https: of('HTTPS_PROXY'), none: of('NO_PROXY') };
}

/** Docker's own mask. */
function maskCredentials(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.username === '' && url.password === '')) return text;
  url.username = 'xxxxx';
  url.password = 'xxxxx';
  return url.href;
}
