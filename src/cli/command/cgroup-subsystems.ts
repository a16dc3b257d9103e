// cgroup subsystems: what this kernel has, where, and which options depend on it.
import type { CgroupSubsystems } from '#wire/cgroup.ts';
import { subsystemsText } from '../cgroup.ts';
import type { Context } from '../command.ts';
import { painter } from '../paint.ts';

const WIDTH = 100;

export async function run({ client, flags }: Context): Promise<number> {
  const reply = await client.json<CgroupSubsystems>('GET', '/coracle/cgroups/subsystems');
  const { stdout } = process;
  if (flags.bool('json')) stdout.write(`${JSON.stringify(reply, null, 2)}\n`);
  else {
    const paint = painter(stdout.isTTY === true);
    stdout.write(subsystemsText(reply.Subsystems, paint, stdout.columns || WIDTH));
  }
  return 0;
}
