import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderList } from './list.ts';
import { shaped } from './shape.ts';
import { compileTemplate } from './template.ts';

const DATA = {
  Name: 'web',
  ID: 'abc',
  Count: 3,
  Labels: { b: '2', a: '1' },
  Cmd: ['sh', '-c'],
  Empty: [],
  Nothing: null,
  Inner: {},
  Label: (name: unknown) => `<${String(name)}>`,
};

const CASES: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['{{.Name}}-{{.Count}}', 'web-3'],
  ['{{ .Name | upper | printf "%-5s|" }}', 'WEB  |'],
  ['{{json .Cmd}} {{json .Name}}', '["sh","-c"] "web"'],
  ['{{.Label "x"}} {{.Labels}} {{.Cmd}} {{.Nothing}}', '<x> map[a:1 b:2] [sh -c] <nil>'],
  ['{{index .Cmd 1}} {{index .Labels "a"}} {{len .Cmd}} {{(index .Cmd 0)}}', '-c 1 2 sh'],
  ['{{range .Cmd}}[{{.}}]{{end}}', '[sh][-c]'],
  ['{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'a=1;b=2;'],
  ['{{range $i, $c := .Cmd}}{{$i}}{{$c}} {{end}}', '0sh 1-c '],
  ['{{range .Empty}}x{{else}}none{{end}}', 'none'],
  ['{{if .Empty}}a{{else if eq .Name "web"}}b{{else}}c{{end}}', 'b'],
  ['{{with .Labels}}{{.a}}{{$.Name}}{{end}}{{with .Nothing}}x{{else}}-{{end}}', '1web-'],
  ['{{$x := .Name}}{{$x}}{{$x | len}}', 'web3'],
  ['{{if and (gt .Count 2) (not .Empty) (ne .Name "a")}}yes{{end}}', 'yes'],
  ['{{or .Nothing .Name}} {{and .Name .Empty}}', 'web []'],
  ['a {{- /* gone */ -}} b', 'ab'],
  ['a {{- .Name -}} b', 'awebb'],
  ['{{join .Cmd ","}} {{split "a,b" ","}}', 'sh,-c [a b]'],
  ['{{title "ab cd"}} {{lower "AB"}}', 'Ab Cd ab'],
  ['{{pad .Name 1 2}}| {{truncate .Name 2}} {{print .Name "x"}} {{`r"w`}}', ' web  | we webx r"w'],
  ['{{printf "%d %q %05d %v" .Count .Name .Count .Cmd}}', '3 "web" 00003 [sh -c]'],
  ['{{.Labels.a}} {{(.Labels).b}} {{$.Labels.a}} {{.name}}', '1 2 1 web'],
  [
    '{{.Labels.zz}} {{with .Labels.zz}}a{{else}}b{{end}} {{.Labels.zz.y}}',
    '<no value> b <no value>',
  ],
  ['{{range .Cmd}}{{.}}{{break}}{{end}} {{range .Cmd}}{{continue}}x{{end}}', 'sh '],
  [
    '{{define "T"}}<{{.}}>{{end}}{{template "T" .Name}}{{block "B" .ID}}({{.}}){{end}}',
    '<web>(abc)',
  ],
  ['{{index .ID 1}} {{slice .ID 1 2}} {{js "a\'b"}} {{urlquery "a b&"}}', "98 b a\\'b a+b%26"],
  ['{{lt 1 2}} {{le 2 2}} {{ge 1 2}} {{eq .Name "x" "web"}}', 'true true false true'],
];

for (const [source, expected] of CASES) {
  test(`${source} gives ${expected}`, () => {
    assert.equal(compileTemplate(source)(shaped(DATA)), expected);
  });
}

test('a mistake in a template is said before or while it runs', () => {
  assert.throws(() => compileTemplate('{{.Name'), /unclosed action/);
  assert.throws(() => compileTemplate('{{if .X}}'), /unexpected EOF/);
  assert.throws(() => compileTemplate('{{end}}'), /unexpected \{\{end\}\}/);
  assert.throws(() => compileTemplate('{{}}'), /missing value for command/);
  assert.throws(() => compileTemplate('{{nope .}}'), /function "nope" not defined/);
  assert.throws(() => compileTemplate('{{break}}'), /\{\{break\}\} outside \{\{range\}\}/);
  assert.throws(() => compileTemplate('{{define "A"}}{{template "A"}}{{end}}{{template "A"}}')({}));
  assert.throws(() => compileTemplate('{{.Nope}}')(DATA), /map has no entry for key "Nope"/);
  assert.throws(() => compileTemplate('{{.Name.X}}')(DATA), /can't evaluate field X/);
  assert.throws(() => compileTemplate('{{index .Cmd 9}}')(DATA), /index out of range/);
  assert.throws(() => compileTemplate('{{$y}}')(DATA), /undefined variable/);
});

test('a mistake in a run is placed as Go places it', () => {
  const fault = (source: string): string => {
    try {
      return compileTemplate(source)(DATA);
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  };
  const place = 'template: :1:';
  const missing = 'map has no entry for key "Z"';
  assert.equal(fault('{{.Z}}'), `${place}2: executing "" at <.Z>: ${missing}`);
  assert.equal(fault('ü {{.Inner.Z.Y}}'), `${place}11: executing "" at <.Inner.Z.Y>: ${missing}`);
  const index = 'error calling index: index out of range: 9';
  assert.equal(fault('{{index .Cmd 9}}'), `${place}2: executing "" at <index .Cmd 9>: ${index}`);
});

test('what Go has and JSON leaves out is there, and is not shown as JSON', () => {
  const show = (source: string): string =>
    compileTemplate(source)(shaped({ HostConfig: { Binds: null }, State: {}, Config: {} }));
  assert.equal(show('{{if .State.Health}}a{{else}}b{{end}} {{.State.Health}}'), 'b <nil>');
  assert.equal(show('{{.HostConfig.Binds}} {{json .HostConfig}}'), '[] {"Binds":null}');
  assert.equal(show('{{.Config.Labels.x}} {{json .Config}} {{len .Config}}'), '<no value> {} 0');
  assert.throws(() => show('{{.Config.Nope}}'), /no entry for key "Nope"/);
});

test('text without actions comes out as it is, and any template ends in text or an error', () => {
  const text = fc.string().filter((each) => !each.includes('{{'));
  fc.assert(fc.property(text, (each) => assert.equal(compileTemplate(each)({}), each)));
  const word = fc.constantFrom('{{', '}}', '.', '|', '(', ')', ' ', 'if', 'end', 'x', '$');
  const words = fc.array(word);
  const property = fc.property(words, (list) => {
    try {
      assert.equal(typeof compileTemplate(list.join(''))({ x: 1 }), 'string');
    } catch (error) {
      assert.match(String(error), /template: :1:/);
    }
  });
  fc.assert(property);
});

const LISTING = {
  headers: { ID: 'THE ID', Name: 'NAME' },
  table: '{{.ID}}\t{{.Name}}',
  quiet: '{{.ID}}',
};
const ROWS = [{ ID: '1', Name: 'a<b' }];

test('a listing is a table, ids, JSON lines or a template', () => {
  const show = (format: string, quiet = false): string =>
    renderList(ROWS, LISTING, { format, quiet });
  assert.equal(show(''), 'THE ID    NAME\n1         a<b\n');
  assert.equal(show('', true), '1\n');
  assert.equal(show('json'), '{"ID":"1","Name":"a\\u003cb"}\n');
  assert.equal(show('{{.Name}}\\t{{.ID}}'), 'a<b\t1\n');
  assert.equal(show('table {{.Name}}\\t{{upper .ID}}'), 'NAME      THE ID\na<b       1\n');
  assert.throws(() => show('{{.X}}'), /template parsing error: template: :1:/);
});
