// Flags that several commands have.
import { bool, filter, string } from '../flag-kind.ts';
import type { FlagSpec } from '../flags.ts';

const TEMPLATE_HELP = [
  "'json':             Print in JSON format",
  "'TEMPLATE':         Print output using the given Go template.",
];

export const FORMAT: FlagSpec = {
  name: 'format',
  short: 'f',
  kind: string,
  usage: ['Format output using a custom template:', ...TEMPLATE_HELP].join('\n'),
};

export const LIST_FORMAT: FlagSpec = {
  name: 'format',
  kind: string,
  usage: [
    'Format output using a custom template:',
    "'table':            Print output in table format with column headers (default)",
    "'table TEMPLATE':   Print output in table format using the given Go template",
    ...TEMPLATE_HELP,
  ].join('\n'),
};

export const LINE_FORMAT: FlagSpec = {
  name: 'format',
  kind: string,
  usage: ['Format output using a custom template:', ...TEMPLATE_HELP].join('\n'),
};

export const FILTER: FlagSpec = {
  name: 'filter',
  short: 'f',
  kind: filter,
  usage: 'Filter output based on conditions provided',
};

export const PRUNE_FILTER: FlagSpec = {
  name: 'filter',
  kind: filter,
  usage: 'Provide filter values (e.g. "until=<timestamp>")',
};

export const FORCE_PRUNE: FlagSpec = {
  name: 'force',
  short: 'f',
  kind: bool,
  usage: 'Do not prompt for confirmation',
};

export const NO_TRUNC: FlagSpec = {
  name: 'no-trunc',
  kind: bool,
  usage: "Don't truncate output",
};

export const DETACH_KEYS: FlagSpec = {
  name: 'detach-keys',
  kind: string,
  usage: 'Override the key sequence for detaching a container',
};

export const SIG_PROXY: FlagSpec = {
  name: 'sig-proxy',
  kind: bool,
  usage: 'Proxy all received signals to the process (default true)',
};

export const PLATFORM: FlagSpec = {
  name: 'platform',
  kind: string,
  usage: 'Choose one platform of a multi-platform image: "os[/arch[/variant]]"',
};
