// The body of `POST /containers/create` -> ContainerSpec: the last place that knows Docker's JSON.
// Docker's odd values (0 = unlimited, null = [], "" = default) end here.
import { EngineError } from '#base/error.ts';
import type { ContainerSpec } from '#container/spec.ts';
import type { Fields } from '../decode.ts';
import { checkSpec } from './check-spec.ts';
import { parseConfig } from './parse-config.ts';
import { parseNetworking } from './parse-endpoint.ts';
import { parseHostConfig } from './parse-host.ts';

export function parseCreate(
  body: Fields,
  from: { readonly name: string; readonly platform: string; readonly version: string },
): ContainerSpec {
  if (body.empty) {
    const text = 'config cannot be empty in order to create a container';
    throw new EngineError('invalid_argument', text);
  }
  const host = parseHostConfig(body.object('HostConfig'));
  const { networking, networkMode } = parseNetworking(body, host.networkMode, from.version);
  const spec: ContainerSpec = {
    name: from.name === '' ? undefined : from.name.replace(/^\//, ''),
    config: parseConfig(body, from.version),
    host: { ...host, networkMode },
    networking,
    platform: from.platform === '' ? undefined : from.platform,
  };
  checkSpec(spec);
  return spec;
}
