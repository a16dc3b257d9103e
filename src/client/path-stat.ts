// What HEAD and GET of a container's archive say about the path, in a header.
import type { ContainerPathStat } from '#wire/archive.ts';
import { ClientError } from './error.ts';
import type { Reply } from './http.ts';

export function pathStat({ headers }: Reply): ContainerPathStat {
  const header = headers.get('x-docker-container-path-stat') ?? '';
  try {
    return JSON.parse(Buffer.from(header, 'base64').toString()) as ContainerPathStat;
  } catch (cause) {
    throw new ClientError('corrupt', 'the daemon told nothing about the path', { cause });
  }
}
