import { getCACertificates } from 'node:tls';

/** Those of the host, where its administrator adds and removes some; Node's own without. */
export function hostAuthorities(): readonly string[] {
  const system = new Set(getCACertificates('system'));
  return system.size > 0 ? [...system] : getCACertificates('bundled');
}
