// Writes down what is so already: a process has ended, is frozen, is removed. Where the record
// cannot be written, on a full disk say, it goes on in memory: refused, it would be of a state that
// is no more, and all that makes room on that disk would be refused too. What a next daemon reads
// then is older, and set right from the kernel and the monitor.
import type { Deps } from './deps.ts';
import type { ContainerRecord } from './record.ts';

export async function putFact(
  deps: Pick<Deps, 'store' | 'report'>,
  record: ContainerRecord,
  options: { readonly durable: boolean } = { durable: false },
): Promise<void> {
  try {
    await deps.store.put(record, options);
  } catch (error) {
    deps.report(`write down that container ${record.id} is ${record.state.status}`, error);
    deps.store.replace(record);
  }
}
