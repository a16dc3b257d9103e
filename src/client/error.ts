// What every failure of a request is: the engine's error class, and the status that came with it.
import { EngineError } from '#base/error.ts';

export class ClientError extends EngineError {
  /** The HTTP status with which the server refused; undefined where it did not answer. */
  get status(): number | undefined {
    const { status } = this.facts;
    return typeof status === 'number' ? status : undefined;
  }
}
