// A Debian with systemd as its first process and the engine installed as `make install` does it,
// booted in a User Mode Linux kernel. What a script in it prints comes back by name.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../tools/source.ts';
import { archiveOf, SYSTEM } from '../fixture/debian.ts';
import { findProgram } from '../machine.ts';
import { bootUml } from '../uml.ts';

const run = promisify(execFile);

const UML_MODULES = '/usr/lib/uml/modules';
const DISK_BYTES = '1500M';
const MEMORY_BYTES = 1024 * 1024 * 1024;

const UNIT = `[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/root/steps.sh
[Install]
WantedBy=multi-user.target
`;

export type Answers = {
  /** What each step printed, by its name. */
  readonly steps: ReadonlyMap<string, string>;
  /** The end of the console. */
  readonly console: string;
};

/** Why there is no such machine here; false when one can be made. */
export function cannotMake(): string | false {
  const missing = ['mmdebstrap', 'mkfs.ext4'].filter((name) => findProgram(name) === undefined);
  return missing.length === 0 ? false : `needs ${missing.join(' and ')}`;
}

/** Boots it, runs the steps as a unit after everything else is up, powers off, leaves nothing. */
export async function runUnderSystemd(
  steps: readonly (readonly [name: string, script: string])[],
  limits: { readonly msMax: number },
): Promise<Answers> {
  const archive = await archiveOf(SYSTEM);
  const job = await mkdtemp(join(tmpdir(), 'coracle-systemd-'));
  try {
    const answers = join(job, 'answers');
    await mkdir(answers);
    await makeDisk(job, archive, scriptOf(steps, answers));
    const argv = [`ubd0=${join(job, 'disk')}`, 'root=/dev/ubda', 'rw', 'quiet'];
    const booted = await bootUml(
      job,
      [...argv, 'init=/lib/systemd/systemd', 'systemd.show_status=0'],
      MEMORY_BYTES,
      limits.msMax,
    );
    const found = new Map<string, string>();
    for (const name of await readdir(answers)) {
      found.set(name, (await readFile(join(answers, name), 'utf8')).trim());
    }
    return { steps: found, console: booted.text };
  } finally {
    await rm(job, { recursive: true, force: true });
  }
}

function scriptOf(steps: readonly (readonly [string, string])[], answers: string): string {
  const lines = steps.map(([name, script]) => `( ${script} ) >/mnt/${name} 2>&1 </dev/null`);
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t hostfs -o ${answers} answers /mnt
${lines.join('\n')}
systemctl poweroff --force
`;
}

async function makeDisk(job: string, archive: string, script: string): Promise<void> {
  const tree = join(job, 'tree');
  const wants = join(tree, 'etc/systemd/system/multi-user.target.wants');
  await mkdir(tree);
  await run('tar', ['-C', tree, '-xf', archive]);
  await run('bash', [join(ROOT, 'packaging/install.sh'), 'install'], {
    env: { ...process.env, DESTDIR: tree, PREFIX: '/usr/local' },
  });
  await cp(UML_MODULES, join(tree, 'lib/modules'), { recursive: true });
  await writeFile(join(tree, 'root/steps.sh'), script, { mode: 0o755 });
  await mkdir(wants, { recursive: true });
  await writeFile(join(tree, 'etc/systemd/system/steps.service'), UNIT);
  await symlink('../steps.service', join(wants, 'steps.service'));
  // The socket's group is the one that install.sh found on this machine.
  await run('chroot', [tree, 'groupadd', '-f', 'docker']);
  await run('truncate', ['-s', DISK_BYTES, join(job, 'disk')]);
  await run(findProgram('mkfs.ext4') ?? 'mkfs.ext4', ['-q', '-d', tree, join(job, 'disk')]);
  await rm(tree, { recursive: true, force: true });
}
