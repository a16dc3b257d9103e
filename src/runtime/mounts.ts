// The mounts of a container as the OCI spec lists them: the defaults, the user's own, the files in
// /etc, in the order to make them.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import type { Box, BoxMount } from './box.ts';
import { ALWAYS_WRITABLE, DEFAULT_MOUNTS, TMPFS_OPTIONS } from './baseline.ts';
import type { HostFacts, KernelVersion } from './facts.ts';
import type { OciMount } from './oci.ts';
import { bindSource, unionSource } from './sources.ts';

export const SHM = '/dev/shm';

export function makeMounts(box: Box, facts: HostFacts): readonly OciMount[] {
  const own = box.mounts.map((mount) => userMount(mount, facts.kernel));
  const targets = new Set(own.map((mount) => mount.destination));
  const defaults = [...DEFAULT_MOUNTS, ...shmMount(box)]
    .filter((mount) => !hidden(mount.destination, targets))
    .filter((mount) => mount.type !== 'mqueue' || mayMountQueues(box))
    .map((mount) => adjust(box, mount));
  const files = etcFiles(box).filter((mount) => !targets.has(mount.destination));
  return [...defaults, ...own, ...files].sort((a, b) => depth(a) - depth(b));
}

/** A user's mount takes the place of a default one; one on /dev takes all that is below it. */
function hidden(destination: string, targets: ReadonlySet<string>): boolean {
  if (targets.has(destination)) return true;
  return targets.has('/dev') && destination.startsWith('/dev/');
}

/**
 * Message queues show an IPC namespace, and a mapped user owns only a new one (mqueue_get_tree()).
 */
function mayMountQueues({ namespaces }: Box): boolean {
  return namespaces.user.mode !== 'map' || namespaces.ipc.mode === 'private';
}

/** Array.sort is stable, so mounts of equal depth keep their order. */
function depth(mount: OciMount): number {
  return mount.destination.split('/').filter((part) => part !== '').length;
}

function shmMount({ shm }: Box): OciMount[] {
  switch (shm.kind) {
    case 'own': {
      const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shm.bytes}`];
      return [{ destination: SHM, type: 'tmpfs', source: 'shm', options }];
    }
    case 'host':
      return [bindOf(SHM, SHM, ['rbind', 'rprivate'])];
    case 'joined':
      return [bindOf(SHM, joinedShm(shm.pid), ['bind', 'private', 'nosuid', 'noexec', 'nodev'])];
    case 'none':
      return [];
    default:
      return shm satisfies never;
  }
}

/**
 * The kernel's name for the donor's /dev/shm. No mount(2) can take it: only from inside of its
 * mount namespace it may be copied (open_tree(2)), so the plan has an operation of its own for it.
 */
export function joinedShm(pid: number): string {
  return `/proc/${pid}/root${SHM}`;
}

function bindOf(destination: string, source: string, options: readonly string[]): OciMount {
  return { destination, type: 'bind', source, options };
}

/** What --privileged, --read-only, host namespaces and id mappings change in a default mount. */
function adjust(box: Box, mount: OciMount): OciMount {
  const { namespaces, security } = box;
  const mapped = namespaces.user.mode === 'map';
  let result = mount;
  // Procfs and sysfs show a namespace, and only who owns it may mount them (proc_get_tree(),
  // sysfs_init_fs_context() in the kernel): bind the host's instead.
  if (mapped && mount.destination === '/proc' && namespaces.pid.mode !== 'private') {
    result = bindOf('/proc', '/proc', ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev']);
  }
  if (mapped && mount.destination === '/sys' && namespaces.network.mode !== 'private') {
    const options = ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev', 'ro', 'rro'];
    result = bindOf('/sys', '/sys', options);
  }
  const writable =
    (security.privileged && (mount.destination === '/sys' || mount.type === 'cgroup')) ||
    (mapped && mount.type === 'cgroup'); // B20
  if (writable) return without(result, 'ro');
  if (box.root.readonly && !ALWAYS_WRITABLE.includes(mount.destination)) {
    return withOption(result, 'ro');
  }
  return result;
}

function withOption(mount: OciMount, option: string): OciMount {
  if (mount.options.includes(option)) return mount;
  return { ...mount, options: [...mount.options, option] };
}

function without(mount: OciMount, option: string): OciMount {
  return { ...mount, options: mount.options.filter((each) => each !== option) };
}

function etcFiles(box: Box): OciMount[] {
  const files: readonly (readonly [string, string | undefined])[] = [
    ['/etc/resolv.conf', box.files.resolvConf],
    ['/etc/hostname', box.files.hostname],
    ['/etc/hosts', box.files.hosts],
  ];
  return files.flatMap(([destination, source]) => {
    if (source === undefined) return [];
    const mount = bindOf(destination, source, ['rbind', 'rprivate']);
    return [box.root.readonly ? withOption(mount, 'ro') : mount];
  });
}

function userMount(mount: BoxMount, kernel: KernelVersion): OciMount {
  const destination = cleanPath(mount.target);
  if (mount.kind === 'tmpfs') {
    const options = [...TMPFS_OPTIONS, 'rprivate', ...mount.options];
    return { destination, type: 'tmpfs', source: 'tmpfs', options };
  }
  if (mount.kind === 'union') {
    const options = mount.top === undefined ? ['bind', 'ro', 'rprivate'] : ['bind', 'rprivate'];
    return bindOf(destination, unionSource(mount), options);
  }
  const options = [mount.recursive ? 'rbind' : 'bind'];
  if (mount.readonly) options.push(...readonlyOptions(mount, kernel));
  options.push(mount.propagation);
  return bindOf(destination, bindSource(mount), options);
}

/** One spelling for each path, so that what is compared by name is the same by place. */
export function cleanPath(path: string): string {
  return posix.resolve('/', path);
}

/** mount_setattr(2) with AT_RECURSIVE is what makes a whole tree read-only: Linux 5.12. */
function readonlyOptions(
  mount: Extract<BoxMount, { kind: 'bind' }>,
  kernel: KernelVersion,
): string[] {
  if (mount.recursiveReadonly === 'no' || !mount.recursive) return ['ro'];
  const able = kernel.major > 5 || (kernel.major === 5 && kernel.minor >= 12);
  if (able) return ['ro', 'rro'];
  if (mount.recursiveReadonly === 'yes') return ['ro'];
  throw new EngineError(
    'invalid_argument',
    `rro is not supported by this kernel (${kernel.major}.${kernel.minor}), which lacks ` +
      `mount_setattr; needed for the read-only bind at ${mount.target}`,
  );
}
