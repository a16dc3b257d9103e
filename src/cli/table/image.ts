// The verbs of images.
import type { CommandSpec } from '../command.ts';
import { bool, int, list, string, strings } from '../flag-kind.ts';
import { flag } from '../flags.ts';
import {
  JSON_FLAG,
  FILTER,
  FORCE_PRUNE,
  FORMAT,
  LIST_FORMAT,
  NO_TRUNC,
  PLATFORM,
  PRUNE_FILTER,
} from './shared.ts';

const MANY = { rule: 'at-least', count: 1 } as const;
const QUIET = flag('quiet', bool, 'Only show image IDs', { short: 'q' });

const QUIET_TRANSFER = flag('quiet', bool, 'Suppress verbose output', { short: 'q' });
/** Docker's scripts give it; images are not signed here. */
const CONTENT_TRUST = flag(
  'disable-content-trust',
  bool,
  'Skip image verification (default true)',
  {
    hidden: true,
  },
);

/** The verbs that exist with and without `image` before them. */
export const IMAGE_VERBS: readonly CommandSpec[] = [
  {
    name: 'history',
    usage: '[OPTIONS] IMAGE',
    short: 'Show the history of an image',
    args: { rule: 'exact', count: 1 },
    flags: [
      LIST_FORMAT,
      flag('human', bool, 'Print sizes and dates in human readable format (default true)', {
        short: 'H',
      }),
      NO_TRUNC,
      PLATFORM,
      QUIET,
    ],
    completes: 'image',
    completesOne: true,
    load: () => import('../command/history.ts'),
  },
  {
    name: 'import',
    usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
    short: 'Import the contents from a tarball to create a filesystem image',
    args: MANY,
    flags: [
      flag('change', list, 'Apply Dockerfile instruction to the created image', { short: 'c' }),
      flag('message', string, 'Set commit message for imported image', { short: 'm' }),
      PLATFORM,
    ],
    load: () => import('../command/import.ts'),
  },
  {
    name: 'load',
    usage: '[OPTIONS]',
    short: 'Load an image from a tar archive or STDIN',
    args: { rule: 'none' },
    flags: [
      flag('input', string, 'Read from tar archive file, instead of STDIN', { short: 'i' }),
      PLATFORM,
      flag('quiet', bool, 'Suppress the load output', { short: 'q' }),
    ],
    load: () => import('../command/load.ts'),
  },
  {
    name: 'pull',
    usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
    short: 'Download an image from a registry',
    args: { rule: 'exact', count: 1 },
    flags: [
      flag('all-tags', bool, 'Download all tagged images in the repository', { short: 'a' }),
      CONTENT_TRUST,
      flag('platform', string, 'Set platform if server is multi-platform capable'),
      QUIET_TRANSFER,
    ],
    group: 'common',
    completes: 'image',
    completesOne: true,
    load: () => import('../command/pull.ts'),
  },
  {
    name: 'push',
    usage: '[OPTIONS] NAME[:TAG]',
    short: 'Upload an image to a registry',
    args: { rule: 'exact', count: 1 },
    flags: [
      flag('all-tags', bool, 'Push all tags of an image to the repository', { short: 'a' }),
      CONTENT_TRUST,
      flag('platform', string, 'Push only an image for that platform: "os/arch[/variant]"'),
      QUIET_TRANSFER,
    ],
    group: 'common',
    completes: 'image',
    completesOne: true,
    load: () => import('../command/push.ts'),
  },
  {
    name: 'save',
    usage: '[OPTIONS] IMAGE [IMAGE...]',
    short: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    args: MANY,
    flags: [flag('output', string, 'Write to a file, instead of STDOUT', { short: 'o' }), PLATFORM],
    completes: 'image',
    load: () => import('../command/save.ts'),
  },
  {
    name: 'tag',
    usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
    short: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    args: { rule: 'exact', count: 2 },
    completes: 'image',
    load: () => import('../command/tag.ts'),
  },
];

const LS_PATHS = ['image ls', 'image list', 'images'];
const RM_PATHS = ['image rm', 'image remove', 'rmi'];

export const IMAGES: CommandSpec = {
  name: 'images',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  short: 'List images',
  args: { rule: 'range', min: 0, max: 1 },
  flags: [
    flag('all', bool, 'Show all images (default hides intermediate images)', { short: 'a' }),
    flag('digests', bool, 'Show digests'),
    FILTER,
    LIST_FORMAT,
    NO_TRUNC,
    QUIET,
  ],
  paths: LS_PATHS,
  group: 'common',
  completes: 'image',
  completesOne: true,
  load: () => import('../command/images.ts'),
};

export const RMI: CommandSpec = {
  name: 'rmi',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Remove one or more images',
  args: MANY,
  flags: [
    flag('force', bool, 'Force removal of the image', { short: 'f' }),
    flag('no-prune', bool, 'Do not delete untagged parents'),
    flag(
      'platform',
      strings,
      'Remove only the given platform variant. Formatted as "os[/arch[/variant]]"',
    ),
  ],
  paths: RM_PATHS,
  completes: 'image',
  load: () => import('../command/rmi.ts'),
};

/** The verbs that exist only behind `image`. */
export const IMAGE_ONLY: readonly CommandSpec[] = [
  { ...IMAGES, name: 'ls', aliases: ['list'] },
  { ...RMI, name: 'rm', aliases: ['remove'] },
  {
    name: 'explore',
    usage: '[OPTIONS] IMAGE',
    short: 'Show what each layer adds, changes, removes and wastes',
    args: { rule: 'exact', count: 1 },
    flags: [
      flag('depth', int, 'Levels of directories in the text (0 = all) (default 2)'),
      JSON_FLAG,
      flag('max-wasted', string, 'Exit with 1 when more percent of the bytes are wasted'),
      flag('plain', bool, 'Text, in a terminal too'),
    ],
    completes: 'image',
    load: () => import('../command/image-explore.ts'),
  },
  {
    name: 'inspect',
    usage: '[OPTIONS] IMAGE [IMAGE...]',
    short: 'Display detailed information on one or more images',
    args: MANY,
    flags: [FORMAT, PLATFORM],
    completes: 'image',
    load: () => import('../command/image-inspect.ts'),
  },
  {
    name: 'prune',
    usage: '[OPTIONS]',
    short: 'Remove unused images',
    args: { rule: 'none' },
    flags: [
      flag('all', bool, 'Remove all unused images, not just dangling ones', { short: 'a' }),
      PRUNE_FILTER,
      FORCE_PRUNE,
    ],
    load: () => import('../command/image-prune.ts'),
  },
];

/** The verbs about registries that have no noun. */
export const REGISTRY_VERBS: readonly CommandSpec[] = [
  {
    name: 'login',
    usage: '[OPTIONS] [SERVER]',
    short: 'Authenticate to a registry',
    args: { rule: 'range', min: 0, max: 1 },
    flags: [
      flag('password', string, 'Password or Personal Access Token (PAT)', { short: 'p' }),
      flag('password-stdin', bool, 'Take the Password or Personal Access Token (PAT) from stdin'),
      flag('username', string, 'Username', { short: 'u' }),
    ],
    group: 'common',
    load: () => import('../command/login.ts'),
  },
  {
    name: 'logout',
    usage: '[SERVER]',
    short: 'Log out from a registry',
    args: { rule: 'range', min: 0, max: 1 },
    group: 'common',
    load: () => import('../command/logout.ts'),
  },
  {
    name: 'search',
    usage: '[OPTIONS] TERM',
    short: 'Search Docker Hub for images',
    args: { rule: 'exact', count: 1 },
    flags: [
      FILTER,
      flag('format', string, 'Pretty-print search using a Go template'),
      flag('limit', int, 'Max number of search results'),
      NO_TRUNC,
    ],
    group: 'common',
    load: () => import('../command/search.ts'),
  },
];
