// The bundle of an external OCI runtime (runtime-spec, bundle.md): the same spec, as a file.
import { EngineError } from '#base/error.ts';
import type { Box } from '../box.ts';
import { execProcess, type ExecBase, type ExecRequest } from '../exec.ts';
import type { HostFacts } from '../facts.ts';
import { joinedShm } from '../mounts.ts';
import type { OciProcess, OciSpec, OciUser } from '../oci.ts';
import { makeSpec } from '../spec.ts';
import { resolveUser } from './user.ts';

/**
 * The OCI spec with names resolved, and without what a runtime of the 1.0 era does not know: runc
 * before 1.2 refuses a spec that has a time namespace. `shm`: where a joined /dev/shm stands.
 */
export function bundleSpec(box: Box, facts: HostFacts, shm: string): OciSpec {
  if (box.process.init) {
    throw new EngineError(
      'not_implemented',
      '--init is a reaper of the built-in runtime; an external one cannot use it',
    );
  }
  if (box.namespaces.user.mode === 'map') {
    throw new EngineError(
      'not_implemented',
      'a user namespace needs the built-in runtime, which shifts the owners of the root by idmapped ' +
        'mounts',
    );
  }
  // It opens a source by its path on the host: a link in a volume would lead it anywhere there.
  const odd = box.mounts.find(
    (mount) => mount.kind === 'union' || 'chown' in mount || 'below' in mount,
  );
  if (odd !== undefined) {
    throw new EngineError(
      'not_implemented',
      `the mount at ${odd.target} needs the built-in runtime: an external one has no words for ` +
        'mounts of images, for parts of volumes, for O and for U',
    );
  }
  const user = resolveUser(box.root.mount, box.process.user, box.process.groups);
  const spec = makeSpec(box, facts, user);
  const namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'time');
  const joined = box.shm.kind === 'joined' ? joinedShm(box.shm.pid) : undefined;
  const mounts = spec.mounts.map((mount) =>
    mount.source === joined ? { ...mount, source: shm } : mount,
  );
  return { ...spec, mounts, linux: { ...spec.linux, namespaces } };
}

/** JSON.rawJSON (ECMAScript 2026) is not in TypeScript's own types yet. */
const { rawJSON: rawJson } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** JSON with exact 64-bit integers, which seccomp arguments can be. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'bigint' ? rawJson(String(each)) : each,
  );
}

/** process.json for `runc exec --process`. */
export function execProcessOf(
  box: Box,
  base: ExecBase,
  request: ExecRequest,
  facts: HostFacts,
): OciProcess {
  const user: OciUser = resolveUser(box.root.mount, request.user, request.groups);
  return { ...execProcess(base, { ...request, user: String(user.uid) }, facts), user };
}
