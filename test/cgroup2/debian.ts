// Boots Debian's own kernel in qemu: two CPUs, and the controllers that User Mode Linux has not.
// `make setup` puts the kernel into build/debian-kernel; it is never installed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from '../../tools/source.ts';
import { type Ended, findProgram, runMachine } from '../machine.ts';
import { type Boot, initWords } from './kernel.ts';

const QEMU = 'qemu-system-x86_64';
const KERNEL = join(ROOT, 'build/debian-kernel');
/** With what they need, these let the initrd have its root. */
const INITRD_MODULES = ['virtio_pci', 'virtio_blk', '9pnet_virtio', '9p'];
const MEMORY_MIB = 1024;
/** Until the tests begin: four seconds at most, and ten where each instruction is translated. */
const FIRST_MS_MAX = { kvm: 20_000, tcg: 90_000 } as const;
const FIRST_WORDS = 'init: the tests begin';
const INITRD_BYTES_MAX = 64 * 1024 * 1024;

export type Accelerator = keyof typeof FIRST_MS_MAX;

/** Why it cannot be booted here; false when it can. */
export function cannotBoot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (process.arch !== 'x64') return 'needs an x86-64 machine';
  const missing = [
    [QEMU, 'qemu-system-x86'],
    ['modprobe', 'kmod'],
    ['busybox', 'busybox-static'],
  ].filter(([program = '']) => findProgram(program) === undefined);
  if (missing.length > 0) {
    return `needs the Debian packages ${missing.map(([, name]) => name).join(' ')}`;
  }
  return findKernel() === undefined
    ? 'needs a kernel in build/debian-kernel, which `make setup` fetches where apt is'
    : false;
}

function findKernel(): string | undefined {
  return globSync('boot/vmlinuz-*', { cwd: KERNEL })[0];
}

/**
 * What to try, in turn. A /dev/kvm of a machine whose processor has no virtualisation may be for
 * guests that are made for it: it runs a CPU, but never a plain kernel to its end.
 */
export function accelerators(): readonly Accelerator[] {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return ['tcg'];
  }
  const native = /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  return native ? ['kvm', 'tcg'] : ['tcg'];
}

/** The next one is tried where the kernel has not come up in time, or qemu has failed. */
export function bootDebian(tried: readonly Accelerator[] = accelerators()): Boot {
  return async (job, msMax) => {
    const endsAt = performance.now() + msMax;
    makeInitrd(job);
    let ended: Ended | undefined;
    for (const accelerator of tried) {
      const first = { words: FIRST_WORDS, msMax: FIRST_MS_MAX[accelerator] };
      const left = { msMax: endsAt - performance.now(), first };
      ended = await runMachine(argvOf(job, accelerator), { job, env: process.env, ...left });
      if (ended.started) break;
    }
    assert.ok(ended, 'nothing to boot it with');
    return ended;
  };
}

function argvOf(job: string, accelerator: Accelerator): readonly string[] {
  const words = initWords(job, join(KERNEL, 'lib'));
  const share = (name: string, path: string, options: string): readonly string[] => [
    '-fsdev',
    `local,id=${name},path=${path},security_model=none,${options}`,
    '-device',
    `virtio-9p-pci,fsdev=${name},mount_tag=${name}`,
  ];
  return [
    findProgram(QEMU) ?? QEMU,
    ...['-machine', 'q35', '-smp', '2', '-m', String(MEMORY_MIB)],
    ...['-accel', accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ...['-cpu', accelerator === 'tcg' ? 'max' : 'host'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ...['-kernel', join(KERNEL, findKernel() ?? ''), '-initrd', join(job, 'initrd')],
    ...[
      '-append',
      // Without its guards against the flaws of processors: to change page tables at each system
      // call is dear where they are translated.
      `console=ttyS0 quiet panic=-1 mitigations=off cgroup_no_v1=net_cls rdinit=/init -- ${words.join(' ')}`,
    ],
    // The tree has more file systems than one, which may have the same inode numbers.
    ...share('root', '/', 'readonly=on,multidevs=remap'),
    ...share('job', job, 'readonly=off'),
    ...['-drive', `file=${join(job, 'swap')},format=raw,if=virtio`],
  ];
}

function makeInitrd(job: string): void {
  const tree = join(job, 'tree');
  for (const folder of ['bin', 'modules', 'proc', 'root']) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  copyFileSync(findProgram('busybox') ?? 'busybox', join(tree, 'bin/busybox'));
  copyFileSync(join(import.meta.dirname, 'initrd.sh'), join(tree, 'init'));
  const release = basename(globSync('lib/modules/*', { cwd: KERNEL })[0] ?? '');
  const which = ['-d', KERNEL, '-S', release, '-a', '--show-depends', ...INITRD_MODULES];
  const shown = execFileSync(findProgram('modprobe') ?? 'modprobe', which, { encoding: 'utf8' });
  const paths = new Set([...shown.matchAll(/^insmod (\S+)/gm)].map(([, path = '']) => path));
  for (const [index, path] of [...paths].entries()) {
    const name = `${String(index).padStart(2, '0')}-${basename(path)}`;
    copyFileSync(path, join(tree, 'modules', name));
  }
  const archive = execFileSync('sh', ['-c', 'find . | busybox cpio -o -H newc 2>/dev/null'], {
    cwd: tree,
    maxBuffer: INITRD_BYTES_MAX,
  });
  writeFileSync(join(job, 'initrd'), archive);
}
