// Who we are to a registry: from a program that keeps credentials, or from docker's own file.
import { messageOf } from '#base/error.ts';
import { parseReference } from '#base/reference.ts';
import { authHeader, authsHeader, HUB_SERVER, registryKey } from '#client/registry-auth.ts';
import type { AuthConfig } from '#wire/image.ts';
import { CredentialFile, type Credentials, hostOf, NO_CREDENTIALS } from './credential-file.ts';
import { eraseByHelper, getByHelper, storeByHelper } from './credential-helper.ts';

const UNENCRYPTED = (path: string): string =>
  [
    '',
    `WARNING! Your credentials are stored unencrypted in '${path}'.`,
    'Configure a credential helper to remove this warning. See',
    'https://docs.docker.com/go/credential-store/',
    '',
    '',
  ].join('\n');

export class CredentialStore {
  readonly #file: CredentialFile;

  private constructor(file: CredentialFile) {
    this.#file = file;
  }

  static open(folder: string): CredentialStore {
    return new CredentialStore(CredentialFile.open(folder, (text) => warn(`${text}\n`)));
  }

  async get(server: string): Promise<Credentials> {
    const helper = this.#file.helperOf(server);
    if (helper !== '') return getByHelper(helper, server);
    return this.#file.get(server) ?? NO_CREDENTIALS;
  }

  async put(server: string, credentials: Credentials): Promise<void> {
    const helper = this.#file.helperOf(server);
    if (helper !== '') {
      await storeByHelper(helper, server, credentials);
      // So that others see that there is something to ask the program for.
      this.#file.put(server, NO_CREDENTIALS);
      return;
    }
    const changed = this.#file.put(server, credentials);
    if (changed && credentials.password !== '') warn(UNENCRYPTED(this.#file.path));
  }

  /** Of every registry that the file names; one whose program fails is left out. */
  async all(): Promise<Readonly<Record<string, AuthConfig>>> {
    const auths: Record<string, AuthConfig> = {};
    for (const server of this.#file.servers()) {
      try {
        auths[server] = authConfig(server, await this.get(server));
      } catch (error) {
        warn(`WARNING: ${messageOf(error)}, going on without credentials for ${server}\n`);
      }
    }
    return auths;
  }

  async erase(server: string): Promise<void> {
    const helper = this.#file.helperOf(server);
    if (helper !== '') await eraseByHelper(helper, server);
    this.#file.delete(server);
  }

  /** The header of a pull or push; without credentials it says so, as docker's. */
  async header(image: string): Promise<Readonly<Record<string, string>>> {
    const server = serverOf(image);
    let auth: AuthConfig = {};
    try {
      auth = authConfig(server, await this.get(server));
    } catch (error) {
      // The image may be one that anybody may read.
      warn(`WARNING: ${messageOf(error)}, going on without credentials\n`);
    }
    return authHeader(auth);
  }
}

export function authConfig(server: string, credentials: Credentials): AuthConfig {
  const { identityToken, password, registryToken, username } = credentials;
  const known = username !== '' || identityToken !== '' || registryToken !== '';
  return {
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(known ? { serveraddress: server } : {}),
    ...(identityToken === '' ? {} : { identitytoken: identityToken }),
    ...(registryToken === '' ? {} : { registrytoken: registryToken }),
  };
}

/** The key under which the credentials for an image are. */
function serverOf(image: string): string {
  return serverKey(parseReference(image).domain);
}

/** What the user calls a registry, as the key of its credentials. */
export function serverKey(text: string): string {
  const host = hostOf(text);
  return host === '' ? HUB_SERVER : registryKey(host);
}

function warn(text: string): void {
  process.stderr.write(text);
}

/** Of a build: whatever base images it may need. */
export async function buildHeader(folder: string): Promise<Readonly<Record<string, string>>> {
  return authsHeader(await CredentialStore.open(folder).all());
}
