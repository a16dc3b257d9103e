// push: an image, or all tags of a repository, to its registry.
import { familiarName, formatReference, repositoryOf } from '#base/reference.ts';
import { transferPlatform } from '#client/platform.ts';
import { CliError, type Context } from '../command.ts';
import { CredentialStore } from '../credential.ts';
import { imagePath } from '../each.ts';
import { showProgress } from '../progress.ts';
import { nameToTransfer } from '../pull.ts';

export async function run({ args, client, configFolder, flags }: Context): Promise<number> {
  const all = flags.bool('all-tags');
  const quiet = flags.bool('quiet');
  const platform = transferPlatform(flags.string('platform'));
  const name = nameToTransfer(args[0] ?? '', { all, quiet });
  if (name.digest !== undefined) throw new CliError(1, 'cannot push a digest reference');
  const store = CredentialStore.open(configFolder);
  const reply = await client.call('POST', `${imagePath(familiarName(name))}/push`, {
    query: { tag: name.tag, platform },
    headers: await store.header(repositoryOf(name)),
  });
  await showProgress(reply.body, { quiet });
  if (quiet) process.stdout.write(`${formatReference(name)}\n`);
  return 0;
}
