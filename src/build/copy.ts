// COPY and ADD as steps: what they depend on, and how their layer is made.
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { isEngineError } from '#base/error.ts';
import type { Ingest } from '#image/content/content.ts';
import type { Visit } from '#runtime/visit.ts';
import { toBinary } from '#tar/binary-path.ts';
import { detectCompression } from '#tar/compression.ts';
import { encodeTar, type EncodeItem } from '#tar/encode.ts';
import { parseChmod } from './chmod.ts';
import { Context } from './context.ts';
import { findImageSources, imageArchive } from './copy-image.ts';
import { contextItems, type LayerStyle, parentItems, unpackedItems } from './copy-layer.ts';
import {
  type CopyOptions,
  findSources,
  join,
  missingParents,
  placeSources,
  type Source,
  targetKind,
} from './copy-plan.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import type { Copy } from './dockerfile/instruction.ts';
import { expandText } from './dockerfile/words.ts';
import { type GitTree, gitTree } from './git/add.ts';
import { isGitUrl } from './git/url.ts';
import { lookInto } from './look.ts';
import { digestOfTree } from './materialize.ts';
import { ownerOf, ROOT } from './owner.ts';
import { fetchRemote, isRemote, type Remote } from './remote.ts';
import type { StageBuilder } from './stage.ts';
import { chainOfState, type State } from './state.ts';
import { nop, type StepWish } from './step.ts';
import { basePath, LinkedDirectories, lookAt, type TargetFacts } from './target.ts';

const TAR_MAGIC_AT = 257;
const HEAD_BYTES = 512;
const INLINE_MODE = 0o644;
const REMOTE_MODE = 0o600;

type CopyPlan = {
  readonly copy: Copy;
  /** Variables replaced. */
  readonly chown: string;
  readonly chmod: string;
  readonly sources: readonly string[];
  /** As it stands in the file, and absolute, with a slash at the end when it was written so. */
  readonly written: string;
  readonly target: string;
  readonly options: CopyOptions;
};

/** A file whose bytes are neither in the context nor in an image. */
type Other = {
  readonly name: string;
  readonly digest: string;
  readonly mode: number;
  /** undefined: now. */
  readonly mtime: bigint | undefined;
  readonly size: number;
  readonly body: () => AsyncIterable<Uint8Array> | Uint8Array;
};

export async function copyStep(stage: StageBuilder, copy: Copy, place: Place): Promise<StepWish> {
  const plan = planCopy(stage, copy, place);
  const context = copy.from === '' ? stage.build.context : await stage.source(copy.from, place);
  if (!(context instanceof Context)) return fromImage(stage, plan, context);
  const { options } = plan;
  const gits = copy.kind === 'add' ? plan.sources.filter(isGitUrl) : [];
  const remotes = copy.kind === 'add' ? plan.sources.filter(isRemote) : [];
  if (copy.checksum !== '' && remotes.length + gits.length === 0) {
    throw failure(place, "checksum can't be specified for non-remote (HTTP(S)) sources");
  }
  if (copy.keepGitDir && gits.length === 0) {
    throw failure(
      place,
      "keep-git-dir can't be specified for sources that are no git repositories",
    );
  }
  const trees: GitTree[] = [];
  for (const url of gits) trees.push(await gitTree(stage.build, url, copy));
  const others: Other[] = [];
  for (const url of remotes) others.push(await fetched(stage, url, plan));
  others.push(...inlineFiles(stage, copy, place));
  const names = plan.sources.filter((each) => !remotes.includes(each) && !gits.includes(each));
  const local = findSources(context, names, options);
  const digests = [
    ...local.map(({ path, node }) => [path, digestOfTree(node, options.parents)]),
    ...trees.map(({ digest }) => ['', digest]),
    ...others.map(({ name, digest }) => [name, digest]),
  ];
  const isDirectory = trees.length > 0 || local[0]?.node.kind === 'dir';
  const kind = digests.length > 1 ? 'multi' : isDirectory ? 'dir' : 'file';
  return wishOf(stage, plan, kind, digests, async () => {
    await using contexts = new AsyncDisposableStack();
    const fetchedTrees: Source[] = [];
    for (const tree of trees) {
      const fetchedTree = contexts.use(await tree.fetch());
      fetchedTrees.push({ path: '', node: fetchedTree.root, kept: '', context: fetchedTree });
    }
    return await contextLayer(stage, plan, [...local, ...fetchedTrees], others);
  });
}

function planCopy(stage: StageBuilder, copy: Copy, place: Place): CopyPlan {
  const expand = (word: string): string => stage.expand(word, place);
  const written = expand(copy.target);
  const absolute = posix.resolve(stage.state.spec.config.workingDir || '/', written);
  const isDirectory = /(?:^|\/)\.{0,2}$/.test(written) && absolute !== '/';
  return {
    copy,
    chown: expand(copy.chown),
    chmod: expand(copy.chmod),
    sources: copy.sources.map(expand),
    written,
    target: isDirectory ? `${absolute}/` : absolute,
    options: {
      verb: copy.kind.toUpperCase(),
      exclude: copy.exclude.map(expand),
      parents: copy.parents,
      place,
    },
  };
}

/** The history says all of it: flags that it has no words for are in the digest. */
function wishOf(
  stage: StageBuilder,
  { chmod, chown, copy, options, target, written }: CopyPlan,
  kind: string,
  inputs: readonly unknown[],
  layer: () => Promise<Ingest>,
): StepWish {
  const { config } = stage.state.spec;
  const flags = [chmod, options.parents, options.exclude, copy.unpack ?? 'default'];
  const digest = createHash('sha256')
    .update(JSON.stringify([inputs, flags]))
    .digest('hex');
  const owner = chown === '' ? '' : `--chown=${chown}`;
  return {
    config,
    createdBy: nop(config.shell, `${options.verb} ${owner}${kind}:${digest} in ${written} `),
    inputs: [target],
    portable: true,
    layer,
  };
}

async function fetched(stage: StageBuilder, url: string, plan: CopyPlan): Promise<Other> {
  const remote: Remote = await fetchRemote(stage.build, url, plan.copy, plan.options);
  return { ...remote, mode: REMOTE_MODE };
}

/** Files that stand in the Dockerfile. */
function inlineFiles(stage: StageBuilder, copy: Copy, place: Place): readonly Other[] {
  const { escapeChar } = stage.build.file.source;
  return copy.heredocs.map(({ name, content, expand }) => {
    const text = expand ? expanded(content, place) : content;
    const body = Buffer.from(text);
    const digest = createHash('sha256').update(body).digest('hex');
    const { length: size } = body;
    return {
      name: toBinary(name),
      digest,
      mode: INLINE_MODE,
      mtime: undefined,
      size,
      body: () => body,
    };
  });
  function expanded(content: string, at: Place): string {
    try {
      return expandText(content, { escapeChar, lookup: stage.lookup });
    } catch (error) {
      if (!isEngineError(error, 'invalid_argument')) throw error;
      throw failure(at, error.message, { cause: error });
    }
  }
}

async function styleOf(
  stage: StageBuilder,
  visit: Visit | undefined,
  { chmod, chown, options }: CopyPlan,
): Promise<LayerStyle> {
  const { epoch, moment } = stage.build;
  return {
    owner: chown === '' ? undefined : await ownerOf(visit, chown, options.place),
    mode: parseChmod(chmod, options.place),
    epoch,
    moment,
  };
}

async function contextLayer(
  stage: StageBuilder,
  plan: CopyPlan,
  local: readonly Source[],
  others: readonly Other[],
): Promise<Ingest> {
  const { build, state } = stage;
  const { copy, options, target } = plan;
  const unpacks = copy.kind === 'add' && copy.unpack !== false;
  const archives = unpacks ? await archivesAmong(local) : [];
  const plain = local.filter((each) => !archives.includes(each));
  return lookInto(build, state, async (visit) => {
    const style = await styleOf(stage, visit, plan);
    const facts = await lookAt(visit, target);
    const links = new LinkedDirectories(visit);
    const kinds = [
      ...plain.map(({ node }) => ({ isDirectory: node.kind === 'dir' })),
      ...archives.map(() => ({ isDirectory: true })),
      ...others.map(() => ({ isDirectory: false })),
    ];
    const { into } = targetKind(kinds, target, facts, options);
    const placed = placeSources(plain, into, facts, options);
    const files = others.map((other) => otherItem(other, into, facts, style));
    const paths = [
      ...placed.map(({ path, node }) => ({ path, isDirectory: node.kind === 'dir' })),
      ...files.map(({ path }) => ({ path, isDirectory: false })),
    ];
    const alsoTarget = kinds.some(({ isDirectory }) => isDirectory);
    // What an archive brings has its own owners, and the directory that it is put into is nobody's.
    const owner = paths.length === 0 ? ROOT : (style.owner ?? ROOT);
    const { moment } = style;
    const parents = parentItems(missingParents(paths, facts, alsoTarget), { owner, moment });
    async function* items(): AsyncGenerator<EncodeItem, void, undefined> {
      yield* parents;
      yield* contextItems(placed, style, links);
      yield* files;
      for (const { context, node } of archives) {
        const bytes = context.content(node);
        yield* unpackedItems(bytes, basePath(facts), style.epoch, links);
      }
    }
    const { content } = build.deps.images.deps;
    return content.ingest(encodeTar(items()), { signal: build.signal });
  });
}

/** Local tar archives, plain or compressed: ADD unpacks them. */
async function archivesAmong(local: readonly Source[]): Promise<readonly Source[]> {
  const found: Source[] = [];
  for (const each of local) {
    if (each.node.kind !== 'file' || each.node.size === 0) continue;
    let head = Buffer.alloc(0);
    for await (const chunk of each.context.content(each.node)) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= HEAD_BYTES) break;
    }
    const isTar = head.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5).toString('latin1') === 'ustar';
    const isCompressed = detectCompression(head) !== 'none';
    if (isTar || (isCompressed && /\.(?:tar\.\w+|t[gbx]z2?|tzst)$/.test(each.path))) {
      found.push(each);
    }
  }
  return found;
}

function otherItem(
  { name, mode, mtime, size, body }: Other,
  into: boolean,
  facts: TargetFacts,
  { owner, mode: change, epoch, moment }: LayerStyle,
): EncodeItem {
  const at = mtime ?? moment;
  return {
    kind: 'file',
    path: into ? join(basePath(facts), name) : basePath(facts),
    mode: change?.(mode, false) ?? mode,
    uid: owner?.uid ?? 0,
    gid: owner?.gid ?? 0,
    mtime: epoch !== undefined && at > epoch ? epoch : at,
    size,
    body: body(),
  };
}

function fromImage(stage: StageBuilder, plan: CopyPlan, from: State): StepWish {
  const { options, sources, target } = plan;
  const { build, state } = stage;
  const inputs = [chainOfState(from), sources];
  const layer = (): Promise<Ingest> =>
    lookInto(build, from, (visit) =>
      lookInto(build, state, async (targetVisit) => {
        const found = await findImageSources(visit, sources, options);
        const style = await styleOf(stage, targetVisit, plan);
        const facts = await lookAt(targetVisit, target);
        const { into } = targetKind(found, target, facts, options);
        const links = new LinkedDirectories(targetVisit);
        async function* archive(): AsyncGenerator<Uint8Array, void, undefined> {
          if (visit === undefined) return;
          yield* imageArchive(visit, { sources: found, into, facts, options, style, links });
        }
        return build.deps.images.deps.content.ingest(archive(), { signal: build.signal });
      }),
    );
  return wishOf(stage, plan, 'multi', inputs, layer);
}
