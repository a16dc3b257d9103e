// A stream of progress objects, one JSON a line. The head goes out with the first of them, so a
// failure before it is still an HTTP status; after it, it is an object of its own.
import { isEngineError } from '#base/error.ts';
import { progressBar } from '#base/progress-bar.ts';
import type { Progress } from '#image/load.ts';
import type { ProgressMessage } from '#wire/image.ts';
import { closeStream, type Exchange, openStream, sendChunk } from '../exchange.ts';
import { publicMessage } from '../status.ts';

export type ProgressStream = {
  tell(message: ProgressMessage): void;
};

export async function withProgress(
  exchange: Exchange,
  work: (stream: ProgressStream) => Promise<void>,
): Promise<void> {
  const { response, signal } = exchange;
  const tell = (message: ProgressMessage): void => {
    if (!response.headersSent) openStream(exchange, 'application/json');
    // Progress is small and bounded by the layers' number; waiting would slow the work down.
    void sendChunk(exchange, `${JSON.stringify(message)}\r\n`);
  };
  try {
    await work({ tell });
    if (!response.headersSent) openStream(exchange, 'application/json');
  } catch (error) {
    if (!response.headersSent || isEngineError(error, 'cancelled') || signal.aborted) throw error;
    const message = publicMessage(error);
    tell({ errorDetail: { message }, error: message });
    exchange.deps.log.debug('progress ended with an error, told the client', { error });
  }
  closeStream(exchange);
}

export function renderProgress(progress: Progress): ProgressMessage {
  if ('stream' in progress) return { stream: progress.stream };
  const { status, id, detail } = progress;
  return {
    status,
    ...(detail === undefined ? {} : renderDetail(detail)),
    ...(id === undefined ? {} : { id }),
  };
}

/** The numbers, and the bar that clients of old print as it comes. */
export function renderDetail(detail: {
  readonly current?: number;
  readonly total?: number;
}): Pick<ProgressMessage, 'progressDetail' | 'progress'> {
  const { current = 0, total = 0 } = detail;
  if (current <= 0 && total <= 0) return { progressDetail: {} };
  return {
    progressDetail: { ...(current > 0 ? { current } : {}), ...(total > 0 ? { total } : {}) },
    progress: progressBar(current, total),
  };
}
