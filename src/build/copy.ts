// COPY and ADD as steps: what they depend on, and how their layer is made.
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { isEngineError } from '#base/error.ts';
import { hostUser } from './owner.ts';
import { expandText } from './dockerfile/words.ts';
import type { ContextNode } from './context.ts';
import {
  contextArchive,
  contextItems,
  imageArchive,
  type LayerStyle,
  lookAt,
  parentItems,
  unpackedItems,
} from './copy-layer.ts';
import {
  failed,
  findSources,
  missingParents,
  type Owner,
  parseMode,
  type Placed,
  placeSources,
  type TargetFacts,
} from './copy-plan.ts';
import type { Place } from './dockerfile/fault.ts';
import type { Copy } from './dockerfile/instruction.ts';
import { fetchRemote, isRemote, type Remote } from './remote.ts';
import { lookInto } from './look.ts';
import { digestOfTree } from './materialize.ts';
import { stateOf } from './run-plan.ts';
import { nop, type StageBuilder, type StepWish } from './stage.ts';
import { chainOfState } from './state.ts';
import { detectCompression } from '#tar/compression.ts';
import { encodeTar, type EncodeItem } from '#tar/encode.ts';

const TAR_MAGIC_AT = 257;
const HEAD_BYTES = 512;

export async function copyStep(stage: StageBuilder, copy: Copy, place: Place): Promise<StepWish> {
  const { config } = stage.state.spec;
  const expand = (word: string): string => stage.expand(word, place);
  const sources = copy.sources.map(expand);
  const written = expand(copy.target);
  const target = `${posix.resolve(config.workingDir || '/', written)}${/\/\.?$/.test(written) ? '/' : ''}`;
  const flags = [expand(copy.chown), copy.chmod, copy.parents, copy.exclude, copy.unpack];
  const plan: CopyPlan = {
    copy: { ...copy, chown: expand(copy.chown), chmod: expand(copy.chmod) },
    sources,
    target: target.replace(/^\/\/$/, '/'),
    place,
  };
  if (copy.from !== '') return fromImage(stage, plan, flags);
  const remotes = copy.kind === 'add' ? sources.filter(isRemote) : [];
  const fetched: Remote[] = [];
  for (const url of remotes) fetched.push(await fetchRemote(stage.build, url, copy, place));
  const local = findSources(
    stage.build.context,
    sources.filter((each) => !remotes.includes(each)),
    place,
  );
  const inline = inlineFiles(stage, copy, place);
  const digests = [
    ...local.map(({ path, node }) => [path, digestOfTree(node)]),
    ...fetched.map(({ name, digest }) => [name, digest]),
    ...inline.map(({ name, text }) => [name, createHash('sha256').update(text).digest('hex')]),
  ];
  const hash = createHash('sha256').update(JSON.stringify(digests)).digest('hex');
  const kind =
    local.length + fetched.length + inline.length > 1
      ? 'multi'
      : local[0]?.node.kind === 'dir'
        ? 'dir'
        : 'file';
  return {
    config,
    createdBy: nop(`${copy.kind.toUpperCase()} ${kind}:${hash} in ${written} `),
    inputs: [copy.kind, digests, plan.target, flags],
    layer: () => contextLayer(stage, plan, local, fetched, inline),
  };
}

type CopyPlan = {
  readonly copy: Copy;
  readonly sources: readonly string[];
  /** Absolute; with a slash at the end when it was written so. */
  readonly target: string;
  readonly place: Place;
};

type Inline = { readonly name: string; readonly text: string };

/** Files that stand in the Dockerfile. */
function inlineFiles(stage: StageBuilder, copy: Copy, place: Place): readonly Inline[] {
  const { escapeChar } = stage.build.file.source;
  return copy.heredocs.map(({ name, content, expand }) => {
    if (!expand) return { name, text: content };
    try {
      return { name, text: expandText(content, { escapeChar, lookup: stage.lookup }) };
    } catch (error) {
      if (!isEngineError(error, 'invalid_argument')) throw error;
      throw failed(place, error.message);
    }
  });
}

async function styleOf(stage: StageBuilder, { copy, place }: CopyPlan): Promise<LayerStyle> {
  const owner: Owner =
    copy.chown === '' ? { uid: 0, gid: 0 } : await hostUser(stage, copy.chown, place);
  return {
    owner,
    mode: parseMode(copy.chmod, place),
    epoch: stage.build.epoch,
    moment: stage.build.moment,
  };
}

async function contextLayer(
  stage: StageBuilder,
  plan: CopyPlan,
  local: ReturnType<typeof findSources>,
  fetched: readonly Remote[],
  inline: readonly Inline[],
) {
  const { build, state } = stage;
  const { copy, place, target } = plan;
  const style = await styleOf(stage, plan);
  const facts = await lookInto(build, state, (visit) => lookAt(visit, target));
  const unpacked =
    copy.kind === 'add' && copy.unpack !== false ? await archivesOf(stage, local) : [];
  const plain = local.filter((each) => !unpacked.includes(each));
  const many = local.length + fetched.length + inline.length > 1;
  const named = many && !target.endsWith('/') ? `${target}/` : target;
  const options = { exclude: copy.exclude, parents: copy.parents };
  const placed = plain.length === 0 ? [] : placeSources(plain, named, facts, options, place);
  const others = [
    ...fetchedItems(fetched, named, facts, style),
    ...inlineItems(inline, named, facts, style),
  ];
  const intoDirectory = unpacked.length > 0 || plain.some(({ node }) => node.kind === 'dir');
  const nodes: readonly Placed[] = [...placed, ...others.map(({ path }) => ({ path, node: FILE }))];
  const parents = parentItems(missingParents(nodes, facts, intoDirectory), style);
  const { context, signal } = build;
  async function* archive(): AsyncGenerator<Uint8Array, void, undefined> {
    if (unpacked.length === 0 && others.length === 0) {
      yield* contextArchive(context, parents, placed, style);
      return;
    }
    yield* encodeTar(items());
  }
  async function* items(): AsyncGenerator<EncodeItem, void, undefined> {
    yield* parents;
    for (const one of placed) {
      yield* contextItems(context, [one], style);
    }
    yield* others;
    const base = baseOf(facts);
    for (const { node } of unpacked) yield* unpackedItems(bytesOf(stage, node), base, style.epoch);
  }
  return build.deps.images.deps.content.ingest(archive(), { signal });
}

const FILE = { kind: 'file' } as ContextNode;

function baseOf({ existing, missing }: TargetFacts): string {
  return [...existing.split('/'), ...missing.map((name) => Buffer.from(name).toString('latin1'))]
    .filter((part) => part !== '')
    .join('/');
}

async function* bytesOf(stage: StageBuilder, node: ContextNode): AsyncGenerator<Uint8Array> {
  const content = stage.build.context.content(node);
  if (content instanceof Buffer) yield content;
  else for await (const chunk of content) yield chunk as Uint8Array;
}

/** Local tar archives, plain or compressed: ADD unpacks them. */
async function archivesOf(stage: StageBuilder, local: ReturnType<typeof findSources>) {
  const found = [];
  for (const each of local) {
    if (each.node.kind !== 'file' || each.node.size === 0) continue;
    let head = Buffer.alloc(0);
    for await (const chunk of bytesOf(stage, each.node)) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= HEAD_BYTES) break;
    }
    const isTar = head.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5).toString('latin1') === 'ustar';
    const compressed =
      detectCompression(head) !== 'none' && /\.(tar\.\w+|tgz|tzst)$/.test(each.path);
    if (isTar || compressed) found.push(each);
  }
  return found;
}

function fetchedItems(
  fetched: readonly Remote[],
  target: string,
  facts: TargetFacts,
  { owner, mode, epoch }: LayerStyle,
): readonly EncodeItem[] {
  const into = target.endsWith('/') || (facts.missing.length === 0 && !facts.isFile);
  return fetched.map(({ name, mtime, body, size }) => ({
    kind: 'file',
    path: into ? joined(baseOf(facts), name) : baseOf(facts),
    mode: mode ?? 0o600,
    uid: owner.uid,
    gid: owner.gid,
    mtime: epoch !== undefined && mtime > epoch ? epoch : mtime,
    size,
    body: body(),
  }));
}

function inlineItems(
  inline: readonly Inline[],
  target: string,
  facts: TargetFacts,
  { owner, mode, moment }: LayerStyle,
): readonly EncodeItem[] {
  const into = target.endsWith('/') || (facts.missing.length === 0 && !facts.isFile);
  return inline.map(({ name, text }) => {
    const body = Buffer.from(text);
    return {
      kind: 'file',
      path: into ? joined(baseOf(facts), name) : baseOf(facts),
      mode: mode ?? 0o644,
      uid: owner.uid,
      gid: owner.gid,
      mtime: moment,
      size: body.length,
      body,
    };
  });
}

function joined(base: string, name: string): string {
  return base === '' ? name : `${base}/${name}`;
}

async function fromImage(
  stage: StageBuilder,
  plan: CopyPlan,
  flags: readonly unknown[],
): Promise<StepWish> {
  const { copy, place, sources, target } = plan;
  const { build, state } = stage;
  const from = await stateOf(stage, copy.from, place);
  const inputs = ['copy', chainOfState(from), sources, target, flags];
  const hash = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
  return {
    config: state.spec.config,
    createdBy: nop(`COPY multi:${hash} in ${target} `),
    inputs,
    layer: async () => {
      const style = await styleOf(stage, plan);
      const facts = await lookInto(build, state, (visit) => lookAt(visit, target));
      const many = sources.length > 1 && !target.endsWith('/') ? `${target}/` : target;
      return lookInto(build, from, async (visit) => {
        if (visit === undefined) throw failed(place, `stat ${sources[0]}: file does not exist`);
        const options = { style, exclude: copy.exclude, place };
        async function* archive(): AsyncGenerator<Uint8Array, void, undefined> {
          if (visit === undefined) return;
          for (const [index, source] of sources.entries()) {
            const bytes = imageArchive(visit, source, many, facts, options);
            yield* index === sources.length - 1 ? bytes : withoutTrailer(bytes);
          }
        }
        return build.deps.images.deps.content.ingest(archive(), { signal: build.signal });
      });
    },
  };
}

const TRAILER_BYTES = 1024;

/** Two zero blocks end an archive: not between two sources. */
async function* withoutTrailer(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held = Buffer.alloc(0);
  for await (const chunk of bytes) {
    held = Buffer.concat([held, chunk]);
    if (held.length <= TRAILER_BYTES) continue;
    yield held.subarray(0, held.length - TRAILER_BYTES);
    held = held.subarray(held.length - TRAILER_BYTES);
  }
}
