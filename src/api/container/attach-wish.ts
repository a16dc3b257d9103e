// What an attach asks for, in either style.
import type { Query } from '../query.ts';

export function attachWish(query: Query) {
  return {
    stdin: query.bool('stdin'),
    stdout: query.bool('stdout'),
    stderr: query.bool('stderr'),
    logs: query.bool('logs'),
    stream: query.bool('stream'),
    detachKeys: query.text('detachKeys'),
  };
}
