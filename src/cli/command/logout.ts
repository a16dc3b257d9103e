// logout: the credentials of a registry are forgotten.
import { messageOf } from '#base/error.ts';
import type { Context } from '../command.ts';
import { CredentialStore, serverKey } from '../credential.ts';

export async function run({ args, configFolder }: Context): Promise<number> {
  const server = serverKey(args[0] ?? '');
  process.stdout.write(`Removing login credentials for ${server}\n`);
  try {
    await CredentialStore.open(configFolder).erase(server);
  } catch (error) {
    process.stderr.write(`WARNING: could not erase credentials:\n${server}: ${messageOf(error)}\n`);
    return 1;
  }
  return 0;
}
