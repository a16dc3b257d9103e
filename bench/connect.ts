// usage: connect.ts PORT COUNT: connects to 127.0.0.1, one connection after the other, and prints
// the lower quartile of the microseconds until each was there. A program of its own, because it has
// to run in the network namespace of the engine that it measures.
import { once } from 'node:events';
import { connect } from 'node:net';
import { lowerQuartile } from './measure.ts';

const [port = '', count = ''] = process.argv.slice(2);
const times: number[] = [];
for (let i = 0; i < Number(count); i += 1) {
  const startedAt = performance.now();
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  times.push((performance.now() - startedAt) * 1000);
  socket.destroy();
}
process.stdout.write(`${lowerQuartile(times)}\n`);
