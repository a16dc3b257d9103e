// context inspect: a context as docker prints it, with where its files are.
import type { Context } from '../command.ts';
import { contextName } from '../context/choose.ts';
import { defaultContext } from '../context/default.ts';
import { ContextStore, DEFAULT_CONTEXT } from '../context/store.ts';
import { inspectAll } from '../inspect.ts';

export async function run({ args, configFolder, flags, globals }: Context): Promise<number> {
  const store = new ContextStore(configFolder);
  const names = args.length > 0 ? args : [contextName(globals, store, process.env)];
  return inspectAll(names, flags.string('format'), async (name) =>
    JSON.stringify(name === DEFAULT_CONTEXT ? ownShape() : shapeOf(name, store))
      // As Go writes them.
      .replaceAll('<', '\\u003c')
      .replaceAll('>', '\\u003e'),
  );
}

function shapeOf(name: string, store: ContextStore): unknown {
  const { description, docker, tlsFiles } = store.get(name);
  return {
    Name: name,
    Metadata: description === '' ? {} : { Description: description },
    Endpoints: { docker: { Host: docker.host, SkipTLSVerify: docker.skipTlsVerify } },
    TLSMaterial: tlsFiles.length === 0 ? {} : { docker: tlsFiles },
    Storage: { MetadataPath: store.metadataPath(name), TLSPath: store.tlsPath(name) },
  };
}

function ownShape(): unknown {
  const { host, name } = defaultContext();
  const nowhere = '<IN MEMORY>';
  return {
    Name: name,
    Metadata: {},
    Endpoints: { docker: { Host: host, SkipTLSVerify: false } },
    TLSMaterial: {},
    Storage: { MetadataPath: nowhere, TLSPath: nowhere },
  };
}
