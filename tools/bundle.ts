// Bundles src/main.ts for release: no type stripping at start, and one chunk for each side, so that
// a command never reads the daemon's code and the daemon never reads the commands'.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { ROOT, sourceFiles } from './source.ts';

const OUT = join(ROOT, 'dist');

// Left from an earlier build: chunk names carry a hash of their content.
for (const name of readdirSync(OUT, { withFileTypes: true })) {
  if (/\.mjs(\.map)?$/.test(name.name)) rmSync(join(OUT, name.name));
}

// A file named *-worker.ts is loaded by `new Worker(new URL('./x-worker.ts', import.meta.url))`; in
// the bundle it stands beside its loader under the same name with .mjs.
const workers = sourceFiles(['src'], /-worker\.ts$/).map((file) => ({
  in: join(ROOT, file.path),
  out: file.path.replace(/^.*\//, '').replace(/\.ts$/, ''),
}));

await build({
  entryPoints: [{ in: join(ROOT, 'src/main.ts'), out: 'coracle' }, ...workers],
  outdir: OUT,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  sourcemap: false,
  legalComments: 'none',
  logLevel: 'warning',
  // CommonJS packages inside an ES module ask for Node's own modules by require().
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
