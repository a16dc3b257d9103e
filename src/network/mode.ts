// Which network a container asks for. Networks of their own (bridge and user-made ones) are not
// here yet: until then the default is no network, and asking for another one is refused, never
// ignored.
import { EngineError } from '#base/error.ts';

export type NetworkMode =
  | { readonly mode: 'none' }
  | { readonly mode: 'host' }
  /** Share the network namespace of another container. */
  | { readonly mode: 'container'; readonly container: string };

export const NETWORK_DRIVERS = ['host', 'none'] as const;

/** What "default" and "" mean in this version. */
export const DEFAULT_NETWORK = 'none';

/** Parses HostConfig.NetworkMode. */
export function parseNetworkMode(text: string): NetworkMode {
  if (text === '' || text === 'default' || text === 'none') return { mode: 'none' };
  if (text === 'host') return { mode: 'host' };
  if (text.startsWith('container:')) {
    const container = text.slice('container:'.length);
    if (container === '') {
      throw new EngineError('invalid_argument', `invalid network mode: ${text}`);
    }
    return { mode: 'container', container };
  }
  throw new EngineError(
    'not_implemented',
    `network ${text} cannot be used: this version has no networks of its own yet; ` +
      'use --network none, host or container:ID',
  );
}
