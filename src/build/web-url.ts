// URLs of the web in a build: credentials in one become a header, and are in no text.
import { redactUrl } from './git/url.ts';

export type WebUrl = {
  readonly href: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For errors. */
  readonly shown: string;
};

/** undefined: it is none. */
export function parseWebUrl(text: string): WebUrl | undefined {
  const shown = redactUrl(text);
  const url = URL.parse(text);
  if (url === null) return undefined;
  const { password, username } = url;
  if (username === '' && password === '') return { href: url.href, headers: {}, shown };
  url.username = '';
  url.password = '';
  const pair = `${decode(username)}:${decode(password)}`;
  const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  return { href: url.href, headers: { authorization }, shown };
}

/** As written, where it is no escape: a password may have a "%". */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
