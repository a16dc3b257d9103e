// The context that is always there: what flags and variables say, or our own socket.
import { environmentHost } from '#client/environment.ts';
import { DEFAULT_CONTEXT } from './store.ts';

export const DEFAULT_DESCRIPTION = 'Current CORACLE_HOST based configuration';

export function defaultContext(): {
  readonly name: string;
  readonly description: string;
  readonly host: string;
} {
  const host = environmentHost(process.env);
  return { name: DEFAULT_CONTEXT, description: DEFAULT_DESCRIPTION, host };
}
