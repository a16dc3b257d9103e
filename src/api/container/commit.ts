// POST /commit?container=...: the body, if there is one, is a Config that goes over the
// container's.
import { EngineError } from '#base/error.ts';
import { readJsonBody } from '../body.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { withTag } from '../image/transfer.ts';
import { parseConfig } from './parse-config.ts';

export async function commitContainer(exchange: Exchange): Promise<void> {
  const { deps, query, request, signal, version } = exchange;
  const body = await readJsonBody(request, 'Config');
  const container = query.text('container');
  if (container === '')
    throw new EngineError('invalid_argument', 'invalid name or ID supplied: ""');
  const repo = query.text('repo');
  const id = await deps.containers.commit(container, {
    reference: repo === '' ? undefined : withTag(repo, query.text('tag')),
    author: query.text('author'),
    comment: query.text('comment'),
    pause: query.text('pause') === '' || query.bool('pause'),
    changes: query.all('changes').filter((change) => change !== ''),
    config: body.empty ? undefined : parseConfig(body, version),
    signal,
  });
  sendJson(exchange, 201, { Id: id });
}
