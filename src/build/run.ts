// RUN: one command in a container like any other, whose root is where the stage stands. What it
// wrote is the layer.
import { messageOf } from '#base/error.ts';
import { PLAIN_WISH } from '#container/endpoint.ts';
import { PLAIN_CONFIG, PLAIN_HOST } from '#container/plain-spec.ts';
import type { ContainerSpec } from '#container/spec.ts';
import type { Ingest } from '#image/content/content.ts';
import { envMap } from './config-change.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import { findMountPoints, layerWithout } from './mount-points.ts';
import { type ResolvedMount, type RunMounts, runMounts } from './run-mounts.ts';
import { RunOutput } from './run-output.ts';
import type { BuildShared } from './shared.ts';
import type { StageBuilder } from './stage.ts';
import { chainOfState, imageRef, type State } from './state.ts';

/** Containers of builds carry it, so that those of a daemon that died are found. */
export const BUILD_LABEL = 'coracle.build';

/** Where ssh and its like look for an agent. */
const AGENT_VARIABLE = 'SSH_AUTH_SOCK';

export type RunWish = {
  readonly argv: readonly string[];
  /** Beside the image's own. */
  readonly env: readonly string[];
  readonly network: string;
  readonly mounts: readonly ResolvedMount[];
  /** Scripts of here-documents that name their own interpreter, by file name. */
  readonly scripts: ReadonlyMap<string, string>;
  readonly place: Place;
};

export async function runStep(stage: StageBuilder, wish: RunWish): Promise<Ingest> {
  const { build, state } = stage;
  const { containers, ephemeral, images } = build.deps;
  const { signal } = build;
  await using parts = new AsyncDisposableStack();
  const mounts = await runMounts(build, wish, parts);
  const points = await findMountPoints(build, state, mounts.mounts);
  const id = imageRef(state);
  const { spec } = state;
  const platform = `${spec.os}/${spec.architecture}`;
  using _image = ephemeral.add({
    id,
    name: id,
    config: spec.config,
    chain: chainOfState(state),
    platform,
  });
  const { id: container } = await containers.create(specOf(build, state, wish, mounts));
  let keep = false;
  parts.defer(async () => {
    if (keep) return;
    await containers.remove(container, { force: true, volumes: true, link: false });
    await stage.tell({ kind: 'removed', container });
  });
  await stage.tell({ kind: 'running', container });
  const code = await execute(stage, wish, container);
  if (code !== 0) {
    // One that has been told a secret is not left for others to inspect.
    keep = build.request.keepContainers && !mounts.secret;
    const text = `The command '${wish.argv.join(' ')}' returned a non-zero code: ${code}`;
    throw failure(wish.place, text, { code: 'kernel_refused', facts: { exitCode: code } });
  }
  const change = await layerWithout(points, () => containers.changes(container));
  const { epoch } = build;
  return await containers.takeLayer(
    container,
    (archive) => images.deps.content.ingest(archive, { signal }),
    (entry) => {
      const { mtime = 0n } = entry;
      return change(epoch !== undefined && mtime > epoch ? { ...entry, mtime: epoch } : entry);
    },
  );
}

function specOf(
  build: BuildShared,
  state: State,
  wish: RunWish,
  { agent, mounts, env }: RunMounts,
): ContainerSpec {
  const { request } = build;
  const { config } = state.spec;
  const said = [...wish.env, ...env];
  const isSaid = envMap([...config.env, ...said]).has(AGENT_VARIABLE);
  const agentEnv = agent === undefined || isSaid ? [] : [`${AGENT_VARIABLE}=${agent}`];
  return {
    name: undefined,
    platform: undefined,
    networking: wish.network.startsWith('container:')
      ? {}
      : { [wish.network]: { ...PLAIN_WISH, network: wish.network } },
    config: {
      ...PLAIN_CONFIG,
      image: imageRef(state),
      cmd: wish.argv,
      // What the image has is not run in a build.
      entrypoint: [''],
      env: [...said, ...agentEnv],
      user: config.user,
      workingDir: config.workingDir === '' ? '/' : config.workingDir,
      healthcheck: {
        test: ['NONE'],
        interval: 0,
        timeout: 0,
        retries: 0,
        startPeriod: 0,
        startInterval: 0,
      },
      labels: { [BUILD_LABEL]: build.id },
    },
    host: {
      ...PLAIN_HOST,
      ...request.host,
      networkMode: wish.network,
      extraHosts: request.extraHosts,
      mounts,
      logConfig: { type: 'none', config: {} },
    },
  };
}

/** The exit code. A build that is cancelled kills the command, whatever it is doing. */
async function execute(stage: StageBuilder, wish: RunWish, container: string): Promise<number> {
  const { containers } = stage.build.deps;
  const { signal } = stage.build;
  const streams = { stdin: false, stdout: true, stderr: true, logs: false, stream: true };
  const session = await containers.attach(container, { ...streams, detachKeys: '' }, signal);
  const { answer } = await containers.wait(container, 'next-exit', signal);
  answer.catch(() => {}); // a start that fails has its own reason
  const abort = (): void => {
    containers.kill(container, 'KILL').catch(() => {}); // it has ended by itself
  };
  try {
    await containers.start(container, { detachKeys: '' });
  } catch (error) {
    session.stream.destroy();
    throw failure(wish.place, messageOf(error), { code: 'kernel_refused', cause: error });
  }
  signal.addEventListener('abort', abort, { once: true });
  // It may have come while the start was under way.
  if (signal.aborted) abort();
  try {
    const output = new RunOutput();
    for await (const chunk of session.stream) {
      for (const piece of output.add(chunk as Buffer)) {
        await stage.tell({ kind: 'output', ...piece });
      }
    }
    const { statusCode } = await answer;
    signal.throwIfAborted();
    return statusCode;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
