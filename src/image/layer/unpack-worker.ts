// Entry of an unpack thread: untrusted archives are parsed here, so that the event loop that serves
// the API never waits for them; their files are made by a C process of this thread's own.
import { workerData } from 'node:worker_threads';
import { NativeTreeWriter } from '#kernel/native/tree.ts';
import { marksByName } from '#snapshot/driver.ts';
import { withMarksByName } from './marks-by-name.ts';
import { serveUnpack } from './serve.ts';

const { nativePath } = workerData as { readonly nativePath: string };

serveUnpack((root, source) => {
  const tree = new NativeTreeWriter({
    root,
    nativePath,
    durable: false,
    ...(source === undefined ? {} : { source }),
  });
  return marksByName(root) ? withMarksByName(tree) : tree;
});
