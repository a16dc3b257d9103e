// How the network of a container was made, for `explain`: asked of the network while it is there,
// and kept with the container's record when it goes.
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { errnoOf } from '#base/error.ts';
import type { AccountStep } from '#network/engine.ts';
import type { Deps } from './deps.ts';
import type { Explanation } from './engine.ts';
import { isRunning } from './guard.ts';
import type { ContainerRecord } from './record.ts';

type Group = Explanation['groups'][number];

const pathOf = (deps: Deps, id: string): string => `${deps.store.directory(id)}/network.json`;

function accountNow(deps: Deps, record: ContainerRecord): readonly AccountStep[] | undefined {
  // A container with a user namespace has the network of its process (start.ts).
  const pid = isRunning(record.state) ? record.state.pid : 'PID';
  const adopt = record.userns === undefined ? undefined : `/proc/${pid}/ns/net`;
  return deps.networks.account(record.id, adopt);
}

/** Before the network is closed. Losing it costs a page of explanation, so it is not synced. */
export function keepNetworkAccount(deps: Deps, record: ContainerRecord): void {
  try {
    const account = accountNow(deps, record);
    if (account === undefined) return;
    writeFileSync(pathOf(deps, record.id), JSON.stringify(account), { mode: 0o600 });
  } catch (error) {
    deps.report(`keep how the network of container ${record.id} was made`, error);
  }
}

/** undefined: it never had a network of its own, or nobody saw it end. */
export async function networkAccount(
  deps: Deps,
  record: ContainerRecord,
): Promise<readonly AccountStep[] | undefined> {
  const now = accountNow(deps, record);
  if (now !== undefined) return now;
  try {
    return JSON.parse(await readFile(pathOf(deps, record.id), 'utf8')) as readonly AccountStep[];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The network is made first, so its steps are counted first; it is told behind the namespaces. */
export function withNetwork(
  { groups, totalNanoseconds }: Pick<Explanation, 'groups' | 'totalNanoseconds'>,
  account: readonly AccountStep[] | undefined,
): Pick<Explanation, 'groups' | 'totalNanoseconds'> {
  if (account === undefined || account.length === 0) return { groups, totalNanoseconds };
  const network: Group = {
    name: 'network',
    steps: account.map((step, index) => ({ step: index + 1, errno: null, ...step })),
  };
  const later: readonly Group[] = groups.map((group) => ({
    ...group,
    steps: group.steps.map((step) => ({ ...step, step: step.step + account.length })),
  }));
  const at = later.findIndex(({ name }) => name === 'namespaces') + 1;
  const taken = account.reduce((sum, { nanoseconds }) => sum + (nanoseconds ?? 0), 0);
  return {
    groups: later.toSpliced(at, 0, network),
    totalNanoseconds: totalNanoseconds === null ? null : totalNanoseconds + taken,
  };
}
