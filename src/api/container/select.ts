// Which containers `GET /containers/json` lists: all, limit, before, since, filters.
import type { ContainerView } from '#container/engine.ts';
import type { NetworkRecord } from '#network/engine.ts';
import { boolFilter, type Filters, invalidFilter, matchLabels } from '../filters.ts';
import { matchPattern } from './match-pattern.ts';
import { renderPorts } from './render-network.ts';

export const LIST_FILTERS = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'isolation',
  'is-task',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
] as const;

const STATUSES = ['paused', 'restarting', 'removing', 'running', 'dead', 'created', 'exited'];
const HEALTH = ['starting', 'healthy', 'unhealthy', 'none'];

export type Selection = {
  readonly all: boolean;
  /** 0 = no limit. */
  readonly limit: number;
  readonly filters: Filters;
  /** Ids of the images that the ancestor filter names. */
  readonly ancestors: ReadonlySet<string>;
  readonly networks: readonly NetworkRecord[];
};

/** Newest first. `find` resolves the container that before and since name, or throws not_found. */
export function selectContainers(
  views: readonly ContainerView[],
  selection: Selection,
  find: (ref: string) => ContainerView,
): readonly ContainerView[] {
  const { filters, limit } = selection;
  const tests = compile(selection, find);
  const all = selection.all || limit > 0 || filters.has('status');
  const found = views
    .filter((view) => all || isAlive(view))
    .filter((view) => tests.every((test) => test(view)))
    .toSorted((a, b) => Number(b.createdAt - a.createdAt));
  return limit > 0 ? found.slice(0, limit) : found;
}

type Test = (view: ContainerView) => boolean;

function compile(selection: Selection, find: (ref: string) => ContainerView): readonly Test[] {
  const { filters, ancestors } = selection;
  const tests: Test[] = [];
  const any = (key: string, test: (view: ContainerView, value: string) => boolean): void => {
    const values = filters.get(key) ?? [];
    if (values.length > 0) tests.push((view) => values.some((value) => test(view, value)));
  };
  checkWords(filters, 'status', STATUSES);
  checkWords(filters, 'health', HEALTH);
  any('status', (view, value) => view.state.status === value);
  any('health', (view, value) => value === (view.health?.status ?? 'none'));
  any('id', (view, value) => view.id.startsWith(value));
  any(
    'name',
    (view, value) => matchPattern(value, view.name) || matchPattern(value, `/${view.name}`),
  );
  any('network', (view, value) => onNetwork(view, value, selection.networks));
  any('volume', (view, value) =>
    view.mounts.some((mount) => mount.name === value || mount.destination === value),
  );
  any('isolation', (_view, value) => value === 'default' || value === '');
  // As Docker's: by the port outside and the port inside, of what runs.
  any('publish', (view, value) =>
    renderPorts(view).some(({ PublicPort, Type }) => samePort(`${PublicPort}/${Type}`, value)),
  );
  any('expose', (view, value) =>
    renderPorts(view).some(({ PrivatePort, Type }) => samePort(`${PrivatePort}/${Type}`, value)),
  );
  if ((filters.get('ancestor') ?? []).length > 0) tests.push((view) => ancestors.has(view.imageId));
  for (const value of filters.get('exited') ?? []) {
    if (!/^-?\d{1,9}$/.test(value)) throw invalidFilter('exited', value);
  }
  any(
    'exited',
    (view, value) => view.state.status === 'exited' && view.state.exit.exitCode === Number(value),
  );
  const labels = filters.get('label') ?? [];
  if (labels.length > 0) tests.push((view) => matchLabels(view.merged.labels, labels));
  if (boolFilter(filters, 'is-task') === true) tests.push(() => false);
  for (const ref of filters.get('before') ?? []) {
    const { createdAt } = find(ref);
    tests.push((view) => view.createdAt < createdAt);
  }
  for (const ref of filters.get('since') ?? []) {
    const { createdAt } = find(ref);
    tests.push((view) => view.createdAt > createdAt);
  }
  return tests;
}

/** By the network's name, or its id or the beginning of it. */
function onNetwork(
  { spec, sandbox }: ContainerView,
  value: string,
  networks: readonly NetworkRecord[],
): boolean {
  if (Object.hasOwn(spec.networking, value)) return true;
  if (value === '') return false;
  return (
    networks.some(({ id, name }) => id.startsWith(value) && Object.hasOwn(spec.networking, name)) ||
    // Wished for by another name, before the network was made.
    (sandbox?.endpoints ?? []).some(
      ({ networkId, networkName }) => networkName === value || networkId.startsWith(value),
    )
  );
}

function isAlive({ state }: ContainerView): boolean {
  return state.status === 'running' || state.status === 'paused' || state.status === 'restarting';
}

function checkWords(filters: Filters, key: string, words: readonly string[]): void {
  for (const value of filters.get(key) ?? []) {
    if (!words.includes(value)) throw invalidFilter(key, value);
  }
}

/** "80" means "80/tcp"; "80-90/udp" is a range. */
function samePort(port: string, wanted: string): boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(wanted);
  if (match === null) throw invalidFilter('publish', wanted);
  const [number, protocol = 'tcp'] = port.split('/');
  if (protocol !== (match[3] ?? 'tcp')) return false;
  const low = Number(match[1]);
  return Number(number) >= low && Number(number) <= Number(match[2] ?? low);
}
