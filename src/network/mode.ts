// HostConfig.NetworkMode: where a container's network comes from. Which network a name means is
// asked at each start, of the engine of networks.
import { EngineError } from '#base/error.ts';

export type NetworkMode =
  | { readonly mode: 'none' }
  | { readonly mode: 'host' }
  /** Share the network namespace of another container. */
  | { readonly mode: 'container'; readonly container: string }
  /** The default bridge, or a network of a user by name or id. */
  | { readonly mode: 'network'; readonly network: string };

/** The network of containers that name none. */
export const DEFAULT_NETWORK = 'bridge';

/** Their networks are always there, and never two of them. */
const PREDEFINED = ['bridge', 'host', 'none'];

/** Only there do containers find each other by name, have aliases, and addresses of their wish. */
export function isUserDefined(network: string): boolean {
  return !PREDEFINED.includes(network);
}

/** `noBridge`: the daemon has no default bridge (`--bridge none`), so that it means no network. */
export function parseNetworkMode(text: string, noBridge = false): NetworkMode {
  const name = text === '' || text === 'default' ? DEFAULT_NETWORK : text;
  if (name === 'none' || (name === DEFAULT_NETWORK && noBridge)) return { mode: 'none' };
  if (name === 'host') return { mode: 'host' };
  if (!name.startsWith('container:')) return { mode: 'network', network: name };
  const container = name.slice('container:'.length);
  if (container !== '') return { mode: 'container', container };
  throw new EngineError('invalid_argument', 'invalid container format container:<name|id>');
}
