// Bundles src/main.ts for release: no type stripping at start, and one file for each side, so that
// a command never reads the daemon's code and the daemon never reads the commands'. Files have
// fixed names and are replaced by rename, so that what runs while we build is not disturbed.
import { execFileSync } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { ROOT, sourceFiles } from './source.ts';

const OUT = join(ROOT, 'dist');
const STAGE = join(ROOT, 'build/bundle');

/** Entry modules by the name of their file in dist/. */
const SIDES: Readonly<Record<string, string>> = {
  daemon: '#daemon/main.ts',
  cli: '#cli/main.ts',
};

// src/main.ts imports one of the sides when it knows which: there the import stays an import.
const keepSidesApart: Plugin = {
  name: 'keep sides apart',
  setup(context) {
    context.onResolve({ filter: /^#(daemon|cli)\/main\.ts$/ }, ({ path, kind }) => {
      const side = Object.entries(SIDES).find(([, entry]) => entry === path)?.[0];
      return kind === 'dynamic-import' ? { path: `./${side}.mjs`, external: true } : undefined;
    });
  },
};

// A file named *-worker.ts is loaded by `new Worker(new URL('./x-worker.mjs', import.meta.url))`.
const workers = sourceFiles(['src'], /-worker\.ts$/).map((file) => ({
  in: join(ROOT, file.path),
  out: file.path.replace(/^.*\//, '').replace(/\.ts$/, ''),
}));

rmSync(STAGE, { recursive: true, force: true });
await build({
  entryPoints: [
    { in: join(ROOT, 'src/main.ts'), out: 'coracle' },
    ...Object.entries(SIDES).map(([out, entry]) => ({
      in: join(ROOT, entry.replace('#', 'src/')),
      out,
    })),
    ...workers,
  ],
  outdir: STAGE,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [keepSidesApart],
  // CommonJS packages inside an ES module ask for Node's own modules by require().
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});

// The library is for programs of other people: it is not minified, and their Node may be older.
await build({
  entryPoints: [{ in: join(ROOT, 'src/library/index.ts'), out: 'library' }],
  outdir: STAGE,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  logLevel: 'warning',
});

/** Its types, as files that name each other: `#folder/...` means nothing outside of here. */
function writeTypes(stage: string): void {
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), [
    ...['--project', join(ROOT, 'tools/library.tsconfig.json')],
    ...['--outDir', stage],
  ]);
  for (const file of globSync('**/*.d.ts', { cwd: stage })) {
    const path = join(stage, file);
    const up = relative(dirname(path), stage) || '.';
    const text = readFileSync(path, 'utf8')
      .replaceAll(/(from |import\()'#([^']+)\.ts'/g, `$1'${up}/$2.js'`)
      .replaceAll(/(from |import\()'(\.[^']+)\.ts'/g, "$1'$2.js'");
    writeFileSync(path, text);
  }
}

mkdirSync(OUT, { recursive: true });
const TYPES = join(ROOT, 'build/types');
rmSync(TYPES, { recursive: true, force: true });
writeTypes(TYPES);
rmSync(join(OUT, 'types'), { recursive: true, force: true });
renameSync(TYPES, join(OUT, 'types'));
const made = readdirSync(STAGE);
for (const name of made) if (name !== 'coracle.mjs') renameSync(join(STAGE, name), join(OUT, name));
renameSync(join(STAGE, 'coracle.mjs'), join(OUT, 'coracle.mjs'));
for (const name of readdirSync(OUT)) {
  if (name.endsWith('.mjs') && !made.includes(name)) rmSync(join(OUT, name));
}
