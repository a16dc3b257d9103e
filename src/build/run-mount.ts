// RUN --mount=type=cache,target=/x,...: the options of one mount (Dockerfile reference).
import { fault, type Place } from './dockerfile/fault.ts';

export type RunMount = {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  readonly target: string;
  readonly source: string;
  readonly from: string;
  readonly id: string;
  readonly readOnly: boolean;
  readonly required: boolean;
  readonly sharing: 'shared' | 'private' | 'locked';
  readonly mode: number | undefined;
  readonly uid: number;
  readonly gid: number;
  /** tmpfs: bytes; 0 = the system decides. */
  readonly size: number;
  /** secret: as a variable; as a file too when a target is said. */
  readonly env: string;
  readonly targetSaid: boolean;
};

/** What `coracle build --ssh default` gives. */
export const AGENT_DEFAULT = 'default';
const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING = ['shared', 'private', 'locked'] as const;
const KEYS = new Set([
  ...['type', 'target', 'dst', 'destination', 'source', 'src', 'from', 'id', 'readonly', 'ro'],
  ...['rw', 'readwrite', 'required', 'sharing', 'mode', 'uid', 'gid', 'size', 'env'],
]);

export function parseRunMount(text: string, place: Place): RunMount {
  const values = new Map<string, string>();
  for (const field of text.split(',')) {
    const at = field.indexOf('=');
    const key = (at < 0 ? field : field.slice(0, at)).trim().toLowerCase();
    if (!KEYS.has(key)) throw fault(place, `unexpected key '${key}' in '${text}'`);
    values.set(key, at < 0 ? 'true' : field.slice(at + 1));
  }
  const first = (...keys: readonly string[]): string =>
    keys.map((key) => values.get(key)).find((value) => value !== undefined) ?? '';
  const type = TYPES.find((each) => each === (values.get('type') ?? 'bind'));
  if (type === undefined) throw fault(place, `unsupported mount type "${values.get('type')}"`);
  const sharing = SHARING.find((each) => each === (values.get('sharing') ?? 'shared'));
  if (sharing === undefined) {
    throw fault(place, `unsupported sharing value "${values.get('sharing')}"`);
  }
  const target = first('target', 'dst', 'destination');
  const source = first('source', 'src');
  const id = values.get('id') ?? '';
  if (target === '' && ['bind', 'cache', 'tmpfs'].includes(type)) {
    throw fault(place, `invalid mount config for type "${type}": no target`);
  }
  refuse(type, values, text, place);
  const flag = (...keys: readonly string[]): boolean => first(...keys) === 'true';
  return {
    type,
    target: target === '' && type === 'secret' ? `/run/secrets/${id || source}` : target,
    source,
    from: values.get('from') ?? '',
    id: id || idOf(type, source, target),
    readOnly: type === 'bind' ? !flag('rw', 'readwrite') : flag('ro', 'readonly'),
    required: flag('required'),
    sharing,
    mode: values.has('mode') ? octal(first('mode'), place) : undefined,
    uid: number(first('uid'), place),
    gid: number(first('gid'), place),
    size: bytesOf(values.get('size') ?? '', place),
    env: values.get('env') ?? '',
    targetSaid: target !== '',
  };
}

function idOf(type: RunMount['type'], source: string, target: string): string {
  if (type === 'ssh') return AGENT_DEFAULT;
  return type === 'secret' ? source || target.replace(/^.*\//, '') : target;
}

/** What is read nowhere would be believed to do something. */
function refuse(
  type: RunMount['type'],
  values: ReadonlyMap<string, string>,
  text: string,
  place: Place,
): void {
  if (type === 'cache' && (values.has('from') || values.has('source') || values.has('src'))) {
    throw fault(place, `'${text}': a cache begins empty here, it takes nothing from elsewhere`);
  }
  if (type === 'ssh' && (values.has('source') || values.has('src'))) {
    throw fault(place, `'${text}': ssh does not support source: the client gives it, by id`);
  }
  const isWritten = ['rw', 'readwrite'].some((key) => values.get(key) === 'true');
  if (type === 'bind' && isWritten && values.has('from')) {
    throw fault(place, `'${text}': what a stage or an image has can only be read: COPY it`);
  }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
};

function bytesOf(text: string, place: Place): number {
  if (text === '') return 0;
  const match = /^(\d{1,15})([bkmg]?)b?$/i.exec(text);
  if (match === null) throw fault(place, `invalid size ${text}`);
  return Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
}

function octal(text: string, place: Place): number {
  if (!/^0?[0-7]{1,4}$/.test(text)) throw fault(place, `invalid mode ${text}`);
  return Number.parseInt(text, 8);
}

function number(text: string, place: Place): number {
  if (text === '') return 0;
  if (!/^\d{1,10}$/.test(text)) throw fault(place, `invalid id ${text}`);
  return Number(text);
}
