// GET /containers/{id}/logs.
import { EngineError, isEngineError, messageOf } from '#base/error.ts';
import { olderThan } from '#wire/version.ts';
import { closeStream, type Exchange, openStream, sendAll, sendChunk } from '../exchange.ts';
import { frame, MULTIPLEXED_STREAM, RAW_STREAM } from '../hijack.ts';
import { ref } from './lifecycle.ts';

const SYSTEM_ERROR = 3;

export async function getLogs(exchange: Exchange): Promise<void> {
  const { deps, params, query, signal, version } = exchange;
  const wish = {
    stdout: query.bool('stdout'),
    stderr: query.bool('stderr'),
    follow: query.bool('follow'),
    timestamps: query.bool('timestamps'),
    details: query.bool('details'),
    since: query.time('since'),
    until: query.time('until'),
    tail: parseTail(query.text('tail')),
  };
  if (!wish.stdout && !wish.stderr) {
    const text = 'Bad parameters: you must choose at least one stream';
    throw new EngineError('invalid_argument', text);
  }
  const { tty, chunks } = await deps.containers.logs(ref(params), wish, signal);
  openStream(exchange, tty || olderThan(version, '1.42') ? RAW_STREAM : MULTIPLEXED_STREAM);
  try {
    await sendAll(exchange, chunks);
  } catch (error) {
    // The head is out; a frame of its own kind is how the stream tells an error.
    if (isEngineError(error, 'cancelled') || signal.aborted) {
      exchange.response.destroy();
      return;
    }
    const text = `Error grabbing logs: ${messageOf(error)}\n`;
    await sendChunk(exchange, tty ? text : frame(SYSTEM_ERROR, text));
    deps.log.warn('cannot read logs, told the client', { container: ref(params), error });
  }
  closeStream(exchange);
}

/** "all", "", -1 and what is not a number mean everything, as dockerd reads it. */
function parseTail(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
