// Handlers of known endpoints that this version does not serve: they say so, with Docker's status.
import { EngineError } from '#base/error.ts';
import type { Handler } from './exchange.ts';

export function notImplemented(what: string): Handler {
  return () => {
    throw new EngineError(
      'not_implemented',
      `${what} is not implemented in this version of Coracle`,
    );
  };
}
