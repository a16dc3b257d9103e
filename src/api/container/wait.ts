// POST /containers/{id}/wait: the head goes out as soon as the condition is watched, because the
// client starts the container only after it.
import { EngineError, isEngineError } from '#base/error.ts';
import type { WaitCondition } from '#container/engine.ts';
import type { ContainerWaitReply } from '#wire/container.ts';
import { olderThan } from '#wire/version.ts';
import { type Exchange, openStream } from '../exchange.ts';
import { ref } from './lifecycle.ts';

export async function waitContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query, response, signal, version } = exchange;
  const condition = parseCondition(olderThan(version, '1.30') ? '' : query.text('condition'));
  const { answer } = await deps.containers.wait(ref(params), condition, signal);
  openStream(exchange, 'application/json');
  try {
    const { statusCode, error } = await answer;
    // Why a start failed is told to the client that asked for it; the docker CLI, which waits for
    // the next exit beside it, would print it a second time.
    const told = error !== undefined && condition !== 'next-exit';
    const reply: ContainerWaitReply = {
      StatusCode: statusCode,
      ...(told ? { Error: { Message: error } } : {}),
    };
    response.end(`${JSON.stringify(reply)}\n`);
  } catch (error) {
    response.destroy();
    if (!isEngineError(error, 'cancelled') && !signal.aborted) throw error;
  }
}

function parseCondition(text: string): WaitCondition {
  switch (text) {
    case '':
    case 'not-running':
      return 'not-running';
    case 'next-exit':
    case 'removed':
      return text;
    default:
      throw new EngineError(
        'invalid_argument',
        `invalid condition: ${JSON.stringify(text.slice(0, 100))}`,
      );
  }
}
