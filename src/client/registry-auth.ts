// Credentials for registries, as the headers of requests that need some.
import type { AuthConfig } from '#wire/image.ts';

/** Docker Hub's key: the URL of its index of old. */
export const HUB_SERVER = 'https://index.docker.io/v1/';
const HUB_HOSTS: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** What engines look the credentials of a registry up by. */
export function registryKey(host: string): string {
  return HUB_HOSTS.includes(host) ? HUB_SERVER : host;
}

/** Of a pull or push. Without credentials it says so, as docker's. */
export function authHeader(auth: AuthConfig): Readonly<Record<string, string>> {
  return { 'X-Registry-Auth': encode(auth) };
}

/** Of a build, by registry: whatever base images it may need. */
export function authsHeader(
  auths: Readonly<Record<string, AuthConfig>>,
): Readonly<Record<string, string>> {
  return { 'X-Registry-Config': encode(auths) };
}

/** Go's decoder wants the padding: without it dockerd would see no credentials, and say nothing. */
function encode(value: object): string {
  const text = Buffer.from(JSON.stringify(value)).toString('base64url');
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}
