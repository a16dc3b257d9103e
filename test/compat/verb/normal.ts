// What differs between any two runs, made equal: ids, times, sizes, addresses, paths; and what
// Docker itself says differently since 20.10, which is what Coracle says.

const ID = /\b(sha256:)?([0-9a-f]{64}|[0-9a-f]{12})\b/g;

type Rule = readonly [pattern: RegExp, word: string];

const WORDS: readonly Rule[] = [
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d)?( UTC)?/g, 'TIME'],
  [/\b(Up|Exited \(\d+\)) (About )?(Less than )?(an?|\d+) \w+( ago)?/g, '$1 AGO'],
  [/\b(About )?(Less than )?(an?|\d+) (second|minute|hour|day|week|month|year)s? ago/g, 'AGO'],
  [/\b\d+(\.\d+)?(B|[kMG]i?B|KiB)\b/g, 'SIZE'],
  [/\b(172|192)\.\d+\.\d+\.\d+\b/g, 'ADDRESS'],
  [/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi, 'MAC'],
  [/:3\d{4}\b/g, ':PORT'],
  [/_NAME=\/\w+\//g, '_NAME=/OTHER/'],
  // What the client logs when the engine refuses in the middle of its upload.
  [/^time="[^"]*" level=error .*\n/gm, ''],
];

/** Texts of 20.10 and what Docker 28 and Coracle have instead. */
const NEWER: readonly Rule[] = [
  [/\b[Ii]nvalid filter/g, 'invalid filter'],
  [/: Invalid (signal|IPC mode|restart)/g, ': invalid $1'],
  [/\bContainer (ID\d+) is (not running|already paused)/g, 'container $1 is $2'],
  [/Cannot kill container:/g, 'cannot kill container:'],
  [
    /(failed to create task for container: )?failed to create shim task: OCI/g,
    'failed to create task for container: failed to create shim task: OCI',
  ],
  [/runc create failed:/g, 'coracle:'],
  [/no such image: [^:]+: (No such image|invalid reference)/g, '$1'],
  [/(exec: "\/etc": )permission denied/g, '$1is a directory'],
  [/\bUnknown runtime specified (\w+)/g, 'unknown or invalid runtime name: $1'],
  [/daemon: (network \w+ not found\n\n)/g, 'daemon: failed to set up container networking: $1'],
  [/can't join IPC of/g, 'failed to join IPC namespace:'],
  [/no such container nosuch/g, 'No such container: nosuch'],
  [/Limit (\d+) is outside/g, 'limit $1 is outside'],
  [/"execDuration":"\d+",/g, ''],
  [/,"victimAnonBytes":.*}/g, '}'],
  [
    /maximum retry count cannot be used with restart policy '\w+'/g,
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  ],
  [
    /invalid restart policy 'foo'/g,
    "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [
    /You cannot remove a running container ID1\. Stop the container before attempting removal or force remove/g,
    'cannot remove container "/NAME": container is running: stop the container before removing or force remove',
  ],
  [
    /You cannot remove a paused container ID1\. Unpause .*/g,
    'cannot remove container "/NAME": container is paused and must be unpaused first',
  ],
  [/cannot remove container "\/\w+"/g, 'cannot remove container "/NAME"'],
  [/repository name (\(.*\) )?must be lowercase/g, 'repository name must be lowercase'],
];

/** Fields of inspect that are not compared, and why. */
const FIELDS: Readonly<Record<string, string>> = {
  ResolvConfPath: 'known from the beginning, not only after the first start',
  HostnamePath: 'the same',
  HostsPath: 'the same',
  LogPath: 'the same',
  NetworkMode: 'since 27 the default is called bridge',
  Runtime: 'ours',
  MaskedPaths: 'newer ones are there too',
  GraphDriver: 'paths of ours',
  KernelMemory: 'gone since 23',
  KernelMemoryTCP: 'gone since 23',
  MacAddress: 'of an endpoint, since 25 before its start too',
  GwPriority: 'new in 28',
  DNSNames: 'new in 25',
  EnableIPv4: 'new in 28',
  ContainerConfig: 'of an image that no container made',
  Size: 'of the files; dockerd counts the padding of its archive',
  VirtualSize: 'the same',
};

export function normal(
  text: string,
  own: readonly (readonly [from: string, to: string])[],
): string {
  let out = inspected(text);
  for (const [from, to] of own) out = out.replaceAll(from, to);
  const seen = new Map<string, string>();
  out = out.replace(ID, (_all, prefix: string | undefined, id: string) => {
    const short = id.slice(0, 12);
    if (!seen.has(short)) seen.set(short, `ID${seen.size + 1}`);
    return `${prefix ?? ''}${seen.get(short)}${id.length === 12 ? 's' : ''}`;
  });
  for (const [pattern, word] of [...WORDS, ...NEWER]) out = out.replace(pattern, word);
  // Columns are as wide as what was in them.
  return out.replace(/ {2,}/g, '  ').replace(/ +$/gm, '');
}

/** JSON as `docker inspect` prints it, with its keys in order and without some. */
function inspected(text: string): string {
  if (!text.startsWith('[\n    {')) return text;
  try {
    return JSON.stringify(sorted(JSON.parse(text)), null, 1);
  } catch {
    return text; // something else follows it
  }
}

/** In the order of a map of Go, the client's or the engine's: any. */
const UNORDERED: ReadonlySet<string> = new Set(['Binds', 'Mounts']);

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => !Object.hasOwn(FIELDS, key))
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(
    entries.map(([key, item]) => [key, UNORDERED.has(key) ? byText(sorted(item)) : sorted(item)]),
  );
}

function byText(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
}
