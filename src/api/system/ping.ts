// /_ping: how clients find out whether we are there and which version to speak.
import type { Exchange } from '../exchange.ts';

export function ping({ request, response }: Exchange): void {
  const body = Buffer.from('OK');
  const head = request.method === 'HEAD';
  response.writeHead(200, {
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    // 1 = the classic builder; 2 would promise BuildKit's /grpc and /session.
    'Builder-Version': '1',
    Swarm: 'inactive',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': head ? 0 : body.length,
  });
  response.end(head ? undefined : body);
}
