// GET /distribution/{name}/json: what a registry has under a name, without pulling it.
import type { DistributionInspect } from '#wire/image.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { askRegistry } from '../status.ts';
import { registryAuth } from './auth.ts';

export async function inspectDistribution(exchange: Exchange): Promise<void> {
  const { deps, params, request, signal } = exchange;
  const auth = registryAuth(request);
  const { descriptor, platforms } = await askRegistry(() =>
    deps.images.inspectRemote(params['name'] ?? '', { auth, signal }),
  );
  const reply: DistributionInspect = {
    Descriptor: {
      mediaType: descriptor.mediaType,
      digest: descriptor.digest,
      size: descriptor.size,
    },
    Platforms: platforms.map((platform) => ({
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.osVersion === '' ? {} : { 'os.version': platform.osVersion }),
      ...(platform.osFeatures.length === 0 ? {} : { 'os.features': platform.osFeatures }),
      ...(platform.variant === '' ? {} : { variant: platform.variant }),
    })),
  };
  sendJson(exchange, 200, reply);
}
