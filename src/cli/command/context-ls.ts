// context ls: the contexts, the current one with a star.
import { isEngineError } from '#base/error.ts';
import { CliError, type Context } from '../command.ts';
import { contextName } from '../context/choose.ts';
import { defaultContext } from '../context/default.ts';
import { ContextStore } from '../context/store.ts';
import { type Listing, renderList, type Row } from '../format/list.ts';

const LISTING: Listing = {
  headers: {
    Name: 'NAME',
    Description: 'DESCRIPTION',
    DockerEndpoint: 'DOCKER ENDPOINT',
    Error: 'ERROR',
    Current: '',
  },
  table: '{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}',
  quiet: '{{.Name}}',
};

export async function run({ configFolder, flags, globals }: Context): Promise<number> {
  const store = new ContextStore(configFolder);
  const { current, fault } = currentOf(() => contextName(globals, store, process.env));
  const own = defaultContext();
  const known = [
    { name: own.name, description: own.description, host: own.host, error: '' },
    ...store.list().map(({ description, docker, name }) => ({
      name,
      description,
      host: docker.host,
      error: '',
    })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (fault === '' && !known.some(({ name }) => name === current)) {
    known.push({ name: current, description: '', host: '', error: 'context not found' });
  }
  const rows: Row[] = known.map(({ description, error, host, name }) => ({
    Current: name === current,
    Description: description,
    DockerEndpoint: host,
    Error: error,
    Name: name,
  }));
  const options = { format: flags.string('format'), quiet: flags.bool('quiet') };
  process.stdout.write(renderList(rows, LISTING, options));
  if (fault !== '') process.stderr.write(`Warning: ${fault}\n`);
  return 0;
}

/** A list must be seen also when what is current cannot be read. */
function currentOf(read: () => string): { readonly current: string; readonly fault: string } {
  try {
    return { current: read(), fault: '' };
  } catch (error) {
    if (!(error instanceof CliError || isEngineError(error))) throw error;
    return { current: '', fault: error.message };
  }
}
