// Style as a test: what a reviewer would otherwise have to say again and again. The linter
// (biome.json) knows about functions of 70 lines, `any` and default exports; this file knows what
// is ours: layers, sizes, names, and that each list has its twin.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROUTES } from '#api/routes.ts';
import { STATUS } from '#api/status.ts';
import { ERROR_CODES } from '#base/error.ts';
import { OPS } from '#kernel/native/op.ts';
import { LAYERS, type Layer, MAIN_MAY_IMPORT, TYPE_ONLY } from './layers.ts';
import { importsOf, ROOT, sourceFiles, type SourceFile } from './source.ts';

const FILE_LINES_MAX = 400;
const LINE_COLUMNS_MAX = 100;
const FORBIDDEN_NAMES = /^(utils?|helpers?|common|misc)\b/;
/** A line that is one text or pattern: breaking it would hide it from a search. */
const ONE_LITERAL = /^\s*(['"`/]).*\1[a-z]*[,;)+ ]*$/;
const LEFTOVER = /\b(TODO|FIXME|XXX|HACK)\b/;

/** Files of data, not of code, that may be longer or wider; each with its reason. */
const EXEMPT: Readonly<Record<string, string>> = {
  'test/compat/verb/container-table.ts': 'a line of shell is a row of the table',
  'test/compat/verb/life-table.ts': 'a line of shell is a row of the table',
  'test/compat/verb/thing-table.ts': 'a line of shell is a row of the table',
  'test/compat/verb/event-table.ts': 'a line of shell is a row of the table',
  'test/compat/verb/normal.ts': 'a pattern and its word are a row of the table',
};

/** Files that may start a program, and which. */
const SPAWNERS: Readonly<Record<string, string>> = {
  'src/kernel/native/': 'the C program itself',
  'src/kernel/netfilter/': 'nft and iptables-restore, whose text is their interface',
  'src/kernel/disk/': 'mkfs.ext4, which lays out a file system',
  'src/runtime/runc/': 'an OCI runtime that the user chose',
  'src/container/top.ts': 'ps, whose columns the client chooses',
  'src/cli/connect.ts': 'the daemon, when none runs',
  'src/cli/credential-helper.ts': 'a program that keeps credentials, which the user chose',
  'src/cli/terminal.ts': 'stty, for the one setting of a terminal that Node cannot reach',
};

const SOURCES = sourceFiles(['src'], /\.ts$/);
const CODE = SOURCES.filter((file) => !file.path.endsWith('.test.ts'));
const EVERYTHING = [...SOURCES, ...sourceFiles(['test', 'tools', 'bench'], /\.ts$/)];

function isLayer(name: string): name is Layer {
  return Object.hasOwn(LAYERS, name);
}

function spawns(path: string): boolean {
  return Object.keys(SPAWNERS).some((prefix) => path.startsWith(prefix));
}

/** What is wrong with one import, or undefined. */
function layerFault(file: SourceFile, specifier: string, typeOnly: boolean): string | undefined {
  const folder = file.path.split('/')[1] ?? '';
  if (!specifier.startsWith('#')) {
    if (!specifier.startsWith('.')) return undefined;
    const target = join(file.path, '..', specifier);
    if (file.path === 'src/main.ts') return undefined;
    return target.startsWith(`src/${folder}/`)
      ? undefined
      : `${file.path}: ${specifier} leaves the folder; cross it with #folder/`;
  }
  const target = specifier.slice(1).split('/')[0] ?? '';
  if (!isLayer(target)) return `${file.path}: ${specifier} is not a folder of tools/layers.ts`;
  if (target === folder) return `${file.path}: ${specifier} is inside; write ./`;
  const allowed: readonly Layer[] =
    file.path === 'src/main.ts' ? MAIN_MAY_IMPORT : isLayer(folder) ? LAYERS[folder] : [];
  if (allowed.includes(target)) return undefined;
  if (typeOnly && TYPE_ONLY[specifier]?.includes(folder as Layer)) return undefined;
  return `${file.path}: ${folder} may not import ${specifier}`;
}

function faults(check: (file: SourceFile) => readonly string[], files = CODE): void {
  const found = files.filter((file) => EXEMPT[file.path] === undefined).flatMap(check);
  assert.deepEqual(found, []);
}

test('every folder of src/ stands in the layer table', () => {
  const unknown = SOURCES.map((file) => file.path.split('/')[1] ?? '').filter(
    (folder) => folder !== 'main.ts' && !isLayer(folder),
  );
  assert.deepEqual([...new Set(unknown)], []);
});

test('a line of the layer table names only lines above it', () => {
  const above = new Set<string>();
  for (const [layer, imports] of Object.entries(LAYERS)) {
    for (const name of imports)
      assert.ok(above.has(name), `${layer} names ${name} before its line`);
    above.add(layer);
  }
});

test('a folder imports only what the layer table allows', () => {
  faults((file) =>
    importsOf(file.text).flatMap(
      ({ specifier, typeOnly }) => layerFault(file, specifier, typeOnly) ?? [],
    ),
  );
});

test('programs are started only where a whole program is what is wanted', () => {
  faults((file) =>
    /from 'node:child_process'/.test(file.text) && !spawns(file.path)
      ? [`${file.path}: starts programs; kernel operations go to the C program`]
      : [],
  );
});

test(`a file has at most ${FILE_LINES_MAX} lines`, () => {
  faults((file) =>
    file.lines.length > FILE_LINES_MAX + 1 ? [`${file.path}: ${file.lines.length}`] : [],
  );
});

test(`a line has at most ${LINE_COLUMNS_MAX} columns`, () => {
  faults((file) =>
    file.lines.flatMap((line, index) =>
      [...line].length > LINE_COLUMNS_MAX && !ONE_LITERAL.test(line)
        ? [`${file.path}:${index + 1}: ${[...line].length}`]
        : [],
    ),
  );
});

test('node:http is never imported: #base/http.ts says what that would cost', () => {
  faults((file) =>
    importsOf(file.text).some(({ specifier, typeOnly }) => specifier === 'node:http' && !typeOnly)
      ? [file.path]
      : [],
  );
});

test('a file is named after what it holds', () => {
  faults((file) =>
    file.path.split('/').some((part) => FORBIDDEN_NAMES.test(part)) ? [file.path] : [],
  );
});

test('nothing is left over: no marks, no debugging, no test that is skipped or alone', () => {
  const found = EVERYTHING.filter((file) => file.path !== 'tools/tidy.test.ts').flatMap((file) =>
    file.lines.flatMap((line, index) =>
      LEFTOVER.test(line) || /\bdebugger;|\.only\(|\btest\.(skip|todo)\(/.test(line)
        ? [`${file.path}:${index + 1}: ${line.trim()}`]
        : [],
    ),
  );
  assert.deepEqual(found, []);
});

test('library folders do not print', () => {
  faults((file) =>
    /^src\/(cli|main\.ts)/.test(file.path) || !/\bconsole\.\w+\(/.test(file.text)
      ? []
      : [`${file.path}: console`],
  );
});

test('no file is the default export of anything', () => {
  faults((file) => (/^export default\b/m.test(file.text) ? [file.path] : []), EVERYTHING);
});

test('the type any is not written', () => {
  faults((file) =>
    file.lines.flatMap((line, index) =>
      /(?::|<|\bas)\s*any\b(?!['\w])/.test(line.replace(/\/\/.*$/, ''))
        ? [`${file.path}:${index + 1}`]
        : [],
    ),
  );
});

test('every error code is explained in docs/errors.md, with its HTTP status', () => {
  const text = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
  assert.deepEqual(
    ERROR_CODES.filter((code) => !text.includes(`| \`${code}\` | ${STATUS[code]} |`)),
    [],
  );
});

test('every route is in docs/compat.md, and every row there is a route', () => {
  const text = readFileSync(join(ROOT, 'docs/compat.md'), 'utf8');
  const written = [...text.matchAll(/`((?:GET|HEAD|POST|PUT|DELETE) \/[^`]*)`/g)].map((m) => m[1]);
  const served = ROUTES.map(({ method, path }) => `${method} ${path.replaceAll(':.*}', '}')}`);
  assert.deepEqual(written.toSorted(), served.toSorted());
});

test('native/ops.def and OPS agree in name, order and arguments', () => {
  const text = readFileSync(join(ROOT, 'native/ops.def'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const native = [...text.matchAll(/^OP\((\w+),\s*"([^"]*)"\)/gm)].map((m) => `${m[1]} ${m[2]}`);
  assert.ok(native.length > 0);
  assert.deepEqual(
    Object.entries(OPS).map(([name, signature]) => `${name} ${signature}`),
    native,
  );
});

test('a file that is exempt from a size exists and says why', () => {
  for (const [path, reason] of Object.entries(EXEMPT)) {
    assert.ok(existsSync(join(ROOT, path)), path);
    assert.ok(reason.length > 20, path);
  }
});
