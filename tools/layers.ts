// Which folder of src/ may import which: the whole list of allowed arrows, lowest first. A line may
// name only lines above it, so the table itself cannot hold a cycle. tools/tidy.test.ts enforces
// it.

export const LAYERS = {
  base: [],
  event: ['base'],
  wire: ['base'],
  tar: ['base'],
  kernel: ['base'],
  snapshot: ['base', 'kernel'],
  runtime: ['base', 'kernel'],
  network: ['base', 'event', 'kernel'],
  volume: ['base', 'event', 'kernel'],
  slice: ['base', 'event', 'kernel'],
  image: ['base', 'event', 'tar', 'kernel', 'snapshot'],
  container: ['base', 'event', 'tar', 'snapshot', 'runtime', 'network', 'volume', 'slice', 'image'],
  build: ['base', 'event', 'tar', 'snapshot', 'runtime', 'image', 'container'],
  api: ['base', 'event', 'wire', 'network', 'volume', 'slice', 'image', 'container', 'build'],
  client: ['base', 'wire'],
  library: ['base', 'wire', 'client'],
  cli: ['base', 'wire', 'tar', 'client'],
  daemon: [
    'base',
    'event',
    'wire',
    'tar',
    'kernel',
    'snapshot',
    'runtime',
    'network',
    'volume',
    'slice',
    'image',
    'container',
    'build',
    'api',
  ],
} as const satisfies Record<string, readonly string[]>;

export type Layer = keyof typeof LAYERS;

/**
 * src/main.ts is the one file above the folders: it picks the command line or the daemon, and
 * loads that one only.
 */
export const MAIN_MAY_IMPORT: readonly Layer[] = ['base', 'cli', 'daemon'];

/**
 * The contract of a layer that the layers above may name as types although the table forbids its
 * code: `import type` of these files compiles to nothing, so no arrow exists when the program runs.
 */
export const TYPE_ONLY: Readonly<Record<string, readonly Layer[]>> = {};
