// search: what Docker Hub, or another registry with its search, has by a word.
import type { SearchResult } from '#wire/image.ts';
import type { Context } from '../command.ts';
import { CredentialStore } from '../credential.ts';
import { type Listing, renderList, type Row } from '../format/list.ts';
import { filterText } from '../prune.ts';

const SEARCH: Listing = {
  headers: {
    Name: 'NAME',
    Description: 'DESCRIPTION',
    StarCount: 'STARS',
    IsOfficial: 'OFFICIAL',
    IsAutomated: 'AUTOMATED',
  },
  table: '{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}',
  quiet: '{{.Name}}',
};

const DESCRIPTION_CHARS_MAX = 45;

export async function run({ args, client, configFolder, flags }: Context): Promise<number> {
  const term = args[0] ?? '';
  const filters = filterText(flags.filters('filter'));
  const limit = flags.number('limit');
  const results = await client.json<SearchResult[]>('GET', '/images/search', {
    query: { term, limit: limit === 0 ? undefined : limit, filters },
    headers: await CredentialStore.open(configFolder).header(searchedName(term)),
  });
  const rows = results
    .toSorted((a, b) => b.star_count - a.star_count)
    .map((result) => searchRow(result, flags.bool('no-trunc')));
  const options = { format: flags.string('format'), quiet: false };
  process.stdout.write(renderList(rows, SEARCH, options));
  return 0;
}

/** Only a term with a host before it is looked for elsewhere than at Docker Hub. */
function searchedName(term: string): string {
  const host = /^([^/]*[.:][^/]*|localhost)\//.exec(term)?.[1];
  return host === undefined ? 'search' : `${host}/search`;
}

function searchRow(result: SearchResult, noTrunc: boolean): Row {
  const description = result.description.replace(/[\r\n]/g, ' ');
  const characters = [...description];
  const cut = !noTrunc && characters.length > DESCRIPTION_CHARS_MAX;
  const mark = (value: boolean): string => (value ? '[OK]' : '');
  return {
    Name: result.name,
    Description: cut ? `${characters.slice(0, DESCRIPTION_CHARS_MAX - 1).join('')}…` : description,
    StarCount: String(result.star_count),
    IsOfficial: mark(result.is_official),
    IsAutomated: mark(result.is_automated),
  };
}
