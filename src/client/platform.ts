// A platform as a push and a load want it: JSON, where a pull takes the word itself.
import { ClientError } from './error.ts';

/** Of "os/arch[/variant]"; undefined where none is named. */
export function platformJson(text = ''): string | undefined {
  if (text === '') return undefined;
  const [os = '', architecture = '', variant = ''] = text.toLowerCase().split('/');
  if (os === '' || architecture === '') {
    const reason = `invalid platform ${JSON.stringify(text)}: it is os/arch[/variant]`;
    throw new ClientError('invalid_argument', reason);
  }
  return JSON.stringify({ architecture, os, ...(variant === '' ? {} : { variant }) });
}
