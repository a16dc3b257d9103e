// Flags that several commands have.
import { bool, filter, string } from '../flag-kind.ts';
import { flag } from '../flags.ts';

const TEMPLATE_HELP = [
  "'json':             Print in JSON format",
  "'TEMPLATE':         Print output using the given Go template.",
];

export const FORMAT = flag(
  'format',
  string,
  ['Format output using a custom template:', ...TEMPLATE_HELP].join('\n'),
  { short: 'f' },
);

export const LIST_FORMAT = flag(
  'format',
  string,
  [
    'Format output using a custom template:',
    "'table':            Print output in table format with column headers (default)",
    "'table TEMPLATE':   Print output in table format using the given Go template",
    ...TEMPLATE_HELP,
  ].join('\n'),
);

export const LINE_FORMAT = flag(
  'format',
  string,
  ['Format output using a custom template:', ...TEMPLATE_HELP].join('\n'),
);

export const FILTER = flag('filter', filter, 'Filter output based on conditions provided', {
  short: 'f',
});

export const PRUNE_FILTER = flag(
  'filter',
  filter,
  'Provide filter values (e.g. "until=<timestamp>")',
);

export const FORCE_PRUNE = flag('force', bool, 'Do not prompt for confirmation', { short: 'f' });

export const NO_TRUNC = flag('no-trunc', bool, "Don't truncate output");

export const DETACH_KEYS = flag(
  'detach-keys',
  string,
  'Override the key sequence for detaching a container',
);

export const SIG_PROXY = flag(
  'sig-proxy',
  bool,
  'Proxy all received signals to the process (default true)',
);

export const JSON_FLAG = flag('json', bool, 'Print as JSON');

export const PLATFORM = flag(
  'platform',
  string,
  'Choose one platform of a multi-platform image: "os[/arch[/variant]]"',
);
