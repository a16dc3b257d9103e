// Where the files are that come with the engine: the C program and the busybox image. In the bundle
// they stand beside it; in a source tree they are where the Makefile puts them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '#base/error.ts';

const HERE = import.meta.dirname;

/** CORACLE_NATIVE names another build, such as the one with sanitizers. */
export function nativePath(env: NodeJS.ProcessEnv): string {
  const wish = env['CORACLE_NATIVE'];
  const places = [
    join(HERE, 'coracle-native'), // dist/, installed
    join(HERE, '../build/coracle-native'), // dist/, in the source tree
    join(HERE, '../../build/coracle-native'), // src/daemon/
  ];
  const found = (wish === undefined || wish === '' ? places : [wish]).find((each) =>
    existsSync(each),
  );
  if (found !== undefined) return found;
  throw new EngineError('unavailable', 'the C program coracle-native is missing: run make build');
}

/** May be missing: an engine that was built without it. */
export function busyboxPath(): string {
  const places = [join(HERE, 'busybox.tar'), join(HERE, '../../dist/busybox.tar')];
  return places.find((each) => existsSync(each)) ?? (places[0] as string);
}
