// POST /images/{name}/push.
import type { Platform } from '#image/platform.ts';
import type { PushProgress } from '#image/push.ts';
import type { Exchange } from '../exchange.ts';
import { Fields } from '../decode.ts';
import { parseJson } from '../json.ts';
import { pushAuth } from './auth.ts';
import { renderDetail, withProgress } from './progress.ts';

export async function pushImage(exchange: Exchange): Promise<void> {
  const { deps, params, query, request, signal } = exchange;
  const auth = await pushAuth(request);
  const platform = parsePlatformJson(query.text('platform'));
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

/** Unlike a pull's it is JSON: {"os":"linux","architecture":"amd64"}. */
function parsePlatformJson(text: string): Platform | undefined {
  if (text === '') return undefined;
  const fields = new Fields('Platform', parseJson(text));
  return {
    os: fields.string('os'),
    architecture: fields.string('architecture'),
    variant: fields.string('variant'),
  };
}
