// POST /images/{name}/push.
import type { PushProgress } from '#image/push.ts';
import type { Exchange } from '../exchange.ts';
import { pushAuth } from './auth.ts';
import { platformSince } from './platform.ts';
import { renderDetail, withProgress } from './progress.ts';

export async function pushImage(exchange: Exchange): Promise<void> {
  const { deps, params, query, request, signal } = exchange;
  const auth = await pushAuth(request);
  const platform = platformSince('1.46', exchange);
  await withProgress(exchange, async ({ tell }) => {
    await deps.images.push(params['name'] ?? '', query.text('tag'), {
      auth,
      signal,
      ...(platform === undefined ? {} : { platform }),
      onProgress: (progress: PushProgress) => {
        const { aux, detail, id, status } = progress;
        tell({
          ...(status === undefined ? {} : { status }),
          ...(detail === undefined ? {} : renderDetail(detail)),
          ...(id === undefined ? {} : { id }),
          ...(aux === undefined ? {} : { aux }),
        });
      },
    });
  });
}
