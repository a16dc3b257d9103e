// Pulling an image, for `pull` itself and for `run` and `create` of one that is not here.
import {
  familiarName,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from '#base/reference.ts';
import { CliError, type Context } from './command.ts';
import { CredentialStore } from './credential.ts';
import { showProgress, type ProgressOptions } from './progress.ts';

export type PullWish = {
  /** With a tag or digest, or all tags of the repository. */
  readonly name: Reference;
  readonly all: boolean;
  readonly platform: string;
};

export async function pullImage(
  { client, configFolder }: Pick<Context, 'client' | 'configFolder'>,
  wish: PullWish,
  options: ProgressOptions,
): Promise<void> {
  const { name } = wish;
  const store = CredentialStore.open(configFolder);
  const reply = await client.call('POST', '/images/create', {
    query: {
      fromImage: familiarName(name),
      tag: wish.all ? undefined : (name.digest ?? name.tag),
      platform: wish.platform.toLowerCase(),
    },
    headers: await store.header(repositoryOf(name)),
  });
  await showProgress(reply.body, options);
}

/** The name that `pull` and `push` were given, with docker's words about its tag. */
export function nameToTransfer(
  text: string,
  { all, quiet }: { all: boolean; quiet: boolean },
): Reference {
  const name = parseReference(text);
  const isPlain = name.tag === undefined && name.digest === undefined;
  if (all && !isPlain) throw new CliError(1, "tag can't be used with --all-tags/-a");
  if (all || !isPlain) return name;
  const tagged = withDefaultTag(name);
  if (!quiet) process.stdout.write(`Using default tag: ${tagged.tag}\n`);
  return tagged;
}
