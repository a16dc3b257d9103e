// The body of `POST /containers/create` -> ContainerSpec: the last place that knows Docker's JSON.
// Docker's odd values (0 = unlimited, null = [], "" = default) end here.
import { EngineError } from '#base/error.ts';
import type { ContainerSpec, EndpointSpec } from '#container/spec.ts';
import { emptyMap, type Fields } from '../decode.ts';
import { checkSpec } from './check-spec.ts';
import { parseConfig } from './parse-config.ts';
import { parseHostConfig } from './parse-host.ts';

export function parseCreate(
  body: Fields,
  from: { readonly name: string; readonly platform: string; readonly version: string },
): ContainerSpec {
  if (body.empty) {
    const text = 'config cannot be empty in order to create a container';
    throw new EngineError('invalid_argument', text);
  }
  const spec: ContainerSpec = {
    name: from.name === '' ? undefined : from.name.replace(/^\//, ''),
    config: parseConfig(body, from.version),
    host: parseHostConfig(body.object('HostConfig')),
    networking: parseNetworking(body.object('NetworkingConfig')),
    platform: from.platform === '' ? undefined : from.platform,
  };
  checkSpec(spec);
  return spec;
}

function parseNetworking(networking: Fields | undefined): Readonly<Record<string, EndpointSpec>> {
  const endpoints = emptyMap<EndpointSpec>();
  for (const [name, value] of networking?.entries('EndpointsConfig') ?? []) {
    if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
      const text = `json: cannot unmarshal into EndpointsConfig[${JSON.stringify(name)}]`;
      throw new EngineError('invalid_argument', `invalid JSON: ${text}`);
    }
    endpoints[name] = (value ?? {}) as EndpointSpec;
  }
  return endpoints;
}
