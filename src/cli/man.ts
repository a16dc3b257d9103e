// Manual pages from the command table (man(7)): a page a command, and for each other way to call it
// a page that leads there. Pure: the table in, files out.
import type { CommandSpec } from './command.ts';
import type { FlagKind } from './flag-kind.ts';
import type { FlagSpec } from './flags.ts';
import { PROGRAM, usageLine, VERSION } from './help.ts';

const SECTION = 1;
const MANUAL = 'Coracle Manual';

export type ManPage = { readonly file: string; readonly text: string };

type Place = {
  readonly spec: CommandSpec;
  /** "coracle network create" */
  readonly path: string;
};

export function manPages(root: CommandSpec, globals: readonly FlagSpec[]): readonly ManPage[] {
  const pages = new Map<string, string>();
  const first = new Map<CommandSpec['load'], string>();
  for (const place of places({ spec: root, path: PROGRAM })) {
    const { load } = place.spec;
    const file = fileOf(place.path);
    // `ps` and `container ls` are the same code: the second is a page that leads to the first.
    const known = load === undefined ? undefined : first.get(load);
    if (known !== undefined) {
      pages.set(file, `.so man${SECTION}/${known}\n`);
      continue;
    }
    if (load !== undefined) first.set(load, file);
    pages.set(file, page(place, place.spec === root ? globals : (place.spec.flags ?? []), root));
  }
  return [...pages].map(([file, text]) => ({ file, text }));
}

/** A command, then what is below it. Short ways come first: the root has them before the nouns. */
function places(at: Place): Place[] {
  const children = (at.spec.children ?? []).filter(({ group }) => group !== 'hidden');
  return [at, ...children.flatMap((spec) => places({ spec, path: `${at.path} ${spec.name}` }))];
}

function fileOf(path: string): string {
  return `${path.replaceAll(' ', '-')}.${SECTION}`;
}

function page({ path, spec }: Place, flags: readonly FlagSpec[], root: CommandSpec): string {
  const name = path.replaceAll(' ', '-');
  const title = roff(name.toUpperCase());
  const lines = [
    `.TH "${title}" "${SECTION}" "" "Coracle ${VERSION}" "${MANUAL}"`,
    '.nh',
    '.ad l',
    '.SH NAME',
    `${roff(name)} \\- ${roff(spec.short)}`,
    '.SH SYNOPSIS',
    `.B ${roff(path)}`,
    roff(usageLine(spec, path).slice(path.length).trim()),
  ];
  lines.push(...section('DESCRIPTION', [roff(`${spec.short}.`), ...aliasLines(spec)]));
  const visible = flags.filter(({ hidden }) => hidden !== true);
  const sorted = visible.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const options = sorted.flatMap((each) => optionLines(each));
  lines.push(...section(spec === root ? 'GLOBAL OPTIONS' : 'OPTIONS', options));
  const children = (spec.children ?? []).filter(({ group }) => group !== 'hidden');
  lines.push(...section('COMMANDS', commandLines(path, children)));
  if (spec === root) lines.push(...ROOT_SECTIONS);
  lines.push(...section('SEE ALSO', seeAlso(path, children, root)));
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}

function section(title: string, body: readonly string[]): readonly string[] {
  return body.length === 0 ? [] : [`.SH ${title}`, ...body];
}

function aliasLines({ paths }: CommandSpec): readonly string[] {
  if (paths === undefined || paths.length < 2) return [];
  const ways = paths.map((each) => `\\fB${roff(`${PROGRAM} ${each}`)}\\fR`);
  return ['.PP', `It is called as ${ways.join(', ')}.`];
}

function optionLines({ kind, name, short, usage }: FlagSpec): readonly string[] {
  const { word } = kind as FlagKind;
  const letter = short === undefined ? '' : `\\fB\\-${roff(short)}\\fR, `;
  const value = word === '' ? '' : ` \\fI${roff(word)}\\fR`;
  const text = usage.split('\n').map((line) => roff(line.replaceAll(/ {2,}/g, ' ')));
  return ['.TP', `${letter}\\fB\\-\\-${roff(name)}\\fR${value}`, text.join('\n.br\n')];
}

function commandLines(path: string, children: readonly CommandSpec[]): readonly string[] {
  return children
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((child) => {
      const name = `${path} ${child.name}`.replaceAll(' ', '-');
      return ['.TP', `.BR ${roff(name)} (${SECTION})`, roff(child.short)];
    });
}

function seeAlso(
  path: string,
  children: readonly CommandSpec[],
  root: CommandSpec,
): readonly string[] {
  const above = path.split(' ').slice(0, -1).join('-');
  if (above !== '') return [`.BR ${roff(above)} (${SECTION})`];
  return children.length > 0 && root.name === PROGRAM ? ['.BR docker (1)'] : [];
}

const ROOT_SECTIONS: readonly string[] = [
  '.SH ENVIRONMENT',
  ...[
    ['CORACLE_HOST, DOCKER_HOST', 'The engine to speak to, as \\-H has it.'],
    ['CORACLE_CONTEXT, DOCKER_CONTEXT', 'The context to use.'],
    ['DOCKER_TLS_VERIFY', 'Not empty: use TLS and verify the engine.'],
    ['DOCKER_CERT_PATH', 'The folder of ca.pem, cert.pem and key.pem.'],
    ['DOCKER_CONFIG', 'The folder of client configuration, in place of ~/.docker.'],
  ].flatMap(([name = '', what = '']) => ['.TP', `.B ${roff(name)}`, what.replaceAll('~', '\\(ti')]),
  '.SH FILES',
  ...[
    ['/run/coracle/coracle.sock', 'Where an engine listens, and is started where none does.'],
    ['/var/lib/coracle', 'Images, containers, volumes and networks.'],
    ['/etc/coracle/daemon.json', "The engine's configuration, in the format of docker's."],
    ['~/.docker/config.json', 'Credentials of registries.'],
    ['~/.docker/contexts', 'Engines by name.'],
  ].flatMap(([name = '', what = '']) => ['.TP', `.I ${roff(name)}`, roff(what)]),
  '.SH EXIT STATUS',
  "That of the container's program for \\fBrun\\fR, \\fBexec\\fR and \\fBstart \\-a\\fR; else 0, or 1",
  'where the engine refused, 64 for a template that cannot be read, 125 for a wrong use, 126 where',
  'a program cannot be run, 127 where there is none, and 128 and the number of the signal that ended',
  'it.',
];

/** As text, whatever it holds (groff_char(7)). */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\(rs')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/^\./, '\\&.');
}
