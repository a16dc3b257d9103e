// The project's own source files, for the tests that hold style to its rules: which files there
// are, and what each imports. Plain text and regular expressions; no compiler.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

export type SourceFile = {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
};

const SKIP = new Set(['node_modules', '.git', 'dist', 'build', 'bin']);

/** Every file below the folders whose name matches, in a stable order. */
export function sourceFiles(folders: readonly string[], name: RegExp): readonly SourceFile[] {
  const found: SourceFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !SKIP.has(entry.name)) walk(path);
      if (!entry.isFile() || !name.test(entry.name)) continue;
      const text = readFileSync(path, 'utf8');
      found.push({ path: relative(ROOT, path), text, lines: text.split('\n') });
    }
  };
  for (const folder of folders) walk(join(ROOT, folder));
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export type Import = {
  readonly specifier: string;
  /** `import type`, which is gone when the program runs. */
  readonly typeOnly: boolean;
};

// import ... from 'x', export ... from 'x', import 'x', import('x'); the clause may span lines.
const STATIC = /^(?:import|export)\s+(type\s+)?(?:[^;'"]*?\sfrom\s+)?'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'/g;

export function importsOf(text: string): readonly Import[] {
  const imports: Import[] = [];
  for (const match of text.matchAll(STATIC)) {
    imports.push({ specifier: match[2] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(DYNAMIC)) {
    imports.push({ specifier: match[1] ?? '', typeOnly: false });
  }
  return imports;
}
