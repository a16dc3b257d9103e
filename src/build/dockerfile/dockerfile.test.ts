import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDockerfile } from './check.ts';
import { findStage, parseDockerfile } from './dockerfile.ts';
import type { Instruction } from './instruction.ts';
import { parseInstructions } from './parse.ts';
import { expandText, expandWord } from './words.ts';

/** Of one line behind a FROM. */
function parse(text: string): Instruction {
  const [, located] = parseInstructions(`FROM x\n${text}\n`).instructions;
  assert.ok(located !== undefined, text);
  return located.instruction;
}

function expand(text: string, env: Readonly<Record<string, string>> = {}): string {
  const lookup = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
  return expandWord(text, { escapeChar: '\\', lookup });
}

test('lines are joined at the escapeChar, over comments and empty lines', () => {
  const text = 'FROM a\nRUN one \\\n  # said\n\n   two \\  \nthree\n# end\nCMD x';
  const { source } = parseInstructions(text);
  assert.deepEqual(
    source.statements.map(({ text: line, place }) => [line, place.start, place.end]),
    [
      ['FROM a', 1, 1],
      ['RUN one    two three', 2, 6],
      ['CMD x', 8, 8],
    ],
  );
  assert.deepEqual(source.emptyContinuations, [4]);
});

test('a doubled escapeChar does not continue, another escapeChar can be chosen', () => {
  assert.throws(() => parseInstructions('FROM a\nRUN a\\\\\nb'), /unknown instruction: B/);
  const { source } = parseInstructions('# escape=`\n# syntax=x/y:1\nFROM a\nRUN dir `\nC:\\');
  assert.equal(source.statements[1]?.text, 'RUN dir C:\\');
  assert.equal(source.directives.syntax, 'x/y:1');
});

test('directives stand at the top only, once each', () => {
  assert.equal(parseInstructions('#\n# escape=`\nFROM a').source.escapeChar, '\\');
  assert.equal(parseInstructions('#EsCaPe = ` \nFROM a').source.escapeChar, '`');
  assert.throws(() => parseInstructions('# escape=`\n# escape=`\nFROM a'), /only one escape/);
  assert.throws(() => parseInstructions('# escape=x\nFROM a'), /invalid escape token 'x'/);
});

test('here-documents are read to their word', () => {
  const { source } = parseInstructions(
    'FROM a\nRUN <<EOF bash\necho $x\n# kept\nEOF\nCOPY <<-"A" <<B /to/\n\t\tone\n\tA\ntwo\nB\nCMD x',
  );
  const [, run, copy, cmd] = source.statements;
  assert.deepEqual(run?.heredocs, [
    { name: 'EOF', descriptor: 0, chomp: false, expand: true, content: 'echo $x\n# kept\n' },
  ]);
  assert.deepEqual(copy?.heredocs, [
    { name: 'A', descriptor: 0, chomp: true, expand: false, content: 'one\n' },
    { name: 'B', descriptor: 0, chomp: false, expand: true, content: 'two\n' },
  ]);
  assert.deepEqual(copy?.place, { start: 6, end: 10 });
  assert.equal(cmd?.name, 'CMD');
  assert.throws(() => parse('RUN <<EOF\nx'), /on line 2: unterminated heredoc/);
  assert.deepEqual((parse('RUN ["cat", "<<EOF"]') as { heredocs: unknown }).heredocs, []);
  assert.deepEqual((parse('RUN echo $((1<<2))') as { heredocs: unknown }).heredocs, []);
});

test('each instruction has its form', () => {
  assert.deepEqual(parse('CMD ["a", "b c"]'), {
    kind: 'cmd',
    command: { form: 'exec', argv: ['a', 'b c'] },
  });
  assert.deepEqual(parse('cmd [ -f x ]'), {
    kind: 'cmd',
    command: { form: 'shell', line: '[ -f x ]' },
  });
  assert.deepEqual(parse('ENTRYPOINT []'), { kind: 'entrypoint', command: undefined });
  assert.deepEqual(parse('ENV a=1 b="x y" c=x\\ y'), {
    kind: 'env',
    pairs: [
      { name: 'a', value: '1' },
      { name: 'b', value: '"x y"' },
      { name: 'c', value: 'x\\ y' },
    ],
  });
  assert.deepEqual(parse('ENV a b = c'), { kind: 'env', pairs: [{ name: 'a', value: 'b = c' }] });
  assert.deepEqual(parse('ARG a b=$c'), {
    kind: 'arg',
    args: [
      { name: 'a', value: undefined },
      { name: 'b', value: '$c' },
    ],
  });
  assert.deepEqual(parse('VOLUME ["/a b", "/c"]'), { kind: 'volume', paths: ['/a b', '/c'] });
  assert.deepEqual(parse('WORKDIR /a b'), { kind: 'workdir', path: '/a b' });
  assert.deepEqual(parse('ONBUILD RUN --network=none x'), {
    kind: 'onbuild',
    trigger: 'RUN --network=none x',
  });
  assert.deepEqual(parse('HEALTHCHECK --interval=5s --retries=2 CMD curl x'), {
    kind: 'healthcheck',
    command: { form: 'shell', line: 'curl x' },
    interval: 5_000_000_000,
    timeout: 0,
    startPeriod: 0,
    startInterval: 0,
    retries: 2,
  });
});

test('flags stand between the name and the arguments', () => {
  const copy = parse('COPY --from=b --chown="1:2" --link --exclude=*.a --exclude=*.b -- --x y /z/');
  assert.ok(copy.kind === 'copy');
  assert.deepEqual(
    [copy.from, copy.chown, copy.link, copy.exclude, copy.sources, copy.target],
    ['b', '1:2', true, ['*.a', '*.b'], ['--x', 'y'], '/z/'],
  );
  const run = parse('RUN --mount=type=cache,target=/c --mount=type=bind,target=/b make');
  assert.ok(run.kind === 'run');
  assert.deepEqual(run.mounts, ['type=cache,target=/c', 'type=bind,target=/b']);
});

test('what is wrong is told with its line', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['', /file with no instructions/],
    ['# only\n\n', /file with no instructions/],
    ['RUN x', /on line 1: no build stage in current context/],
    ['FROM', /FROM requires either one or three arguments/],
    ['FROM a b', /FROM requires either one or three arguments/],
    ['FROM a AS 1x', /invalid name for build stage: "1x"/],
    ['FROM a\nRNU x', /on line 2: unknown instruction: RNU \(did you mean RUN\?\)/],
    ['FROM a\nRUN', /RUN requires at least one argument/],
    ['FROM a\nRUN ["a", 1]', /must|arrays must be comprised of strings only/],
    ['FROM a\nCOPY a', /COPY requires at least two arguments, but only one was provided/],
    ['FROM a\nCOPY --form=b a b', /unknown flag: --form/],
    ['FROM a\nCOPY --from a b', /missing a value on flag: from/],
    ['FROM a\nCOPY --link=maybe a b', /expecting boolean value for flag link, not: maybe/],
    ['FROM a\nCOPY --from=a --from=b a b', /duplicate flag specified: from/],
    ['FROM a\nENV a', /ENV must have two arguments/],
    ['FROM a\nENV a=1 b', /Syntax error - can't find = in "b"/],
    ['FROM a\nENV =1', /ENV names can not be blank/],
    ['FROM a\nSHELL bash -c', /SHELL requires the arguments to be in JSON form/],
    ['FROM a\nONBUILD ONBUILD RUN x', /Chaining ONBUILD/],
    ['FROM a\nONBUILD FROM x', /FROM isn't allowed as an ONBUILD trigger/],
    ['FROM a\nHEALTHCHECK FOO', /Unknown type "FOO" in HEALTHCHECK/],
    ['FROM a\nHEALTHCHECK --interval=1ns CMD x', /cannot be less than 1ms/],
    ['FROM a\nHEALTHCHECK --interval=x CMD x', /time: invalid duration "x"/],
    ['FROM a\nRUN --network=mars x', /unsupported network mode: "mars"/],
    ['FROM a\n\n\nVOLUME', /on line 4: VOLUME requires at least one argument/],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseDockerfile(text), message, text);
});

test('variables, quotes and escapes are those of a shell', () => {
  const env = { a: 'A', empty: '', path: '/usr/local/lib:/usr/lib', f: 'x.tar.gz' };
  const cases: readonly (readonly [string, string])[] = [
    ['$a', 'A'],
    ['${a}b$ab', 'Ab'],
    ['$', '$'],
    ['a$', 'a$'],
    ['\\$a', '$a'],
    ["'$a'", '$a'],
    ['"$a \\"x\\" \\n"', 'A "x" \\n'],
    ['${none:-x$a}', 'xA'],
    ['${empty:-x}', 'x'],
    ['${empty-x}', ''],
    ['${a:+set}', 'set'],
    ['${none+set}', ''],
    ['${a:?no}', 'A'],
    ['${none:-${also:-"q u"}}', 'q u'],
    ['${f%.*}', 'x.tar'],
    ['${f%%.*}', 'x'],
    ['${path#*:}', '/usr/lib'],
    ['${path##*/}', 'lib'],
    ['${path/usr/opt}', '/opt/local/lib:/usr/lib'],
    ['${path//usr/opt}', '/opt/local/lib:/opt/lib'],
    ['${path//\\/lib/}', '/usr/local:/usr'],
    ['${f#?}', '.tar.gz'],
    ['${f/\\*/x}', 'x.tar.gz'],
    ['$1x', 'x'],
  ];
  for (const [text, value] of cases) assert.equal(expand(text, env), value, text);
  for (const [text, message] of [
    ['${a', /missing '\}'/],
    ['${}', /bad substitution/],
    ['${a:x}', /unsupported modifier \(:x\)/],
    ['"a', /matching double-quote/],
    ["'a", /matching single-quote/],
    ['${none:?is needed}', /none: is needed/],
  ] as const) {
    assert.throws(() => expand(text, env), message, text);
  }
  assert.throws(() => expand('${a:-'.repeat(200) + '}'.repeat(200)), /nested too deep/);
});

test('in a here-document quotes are text', () => {
  const lookup = (name: string) => (name === 'a' ? 'A' : undefined);
  assert.equal(expandText('"$a" \'${a}\' \\$a\n', { escapeChar: '\\', lookup }), '"A" \'A\' $a\n');
});

test('stages are found by name and number, only the ones before', () => {
  const { stages, globalArgs } = parseDockerfile(
    'ARG v=1\nFROM a AS One\nFROM b as two\nFROM one\nCOPY --from=0 x y',
  );
  assert.equal(globalArgs.length, 1);
  assert.deepEqual(
    stages.map(({ name }) => name),
    ['one', 'two', ''],
  );
  assert.equal(findStage(stages, 'ONE', 2)?.index, 0);
  assert.equal(findStage(stages, '1', 2)?.index, 1);
  assert.equal(findStage(stages, 'two', 1), undefined);
});

test('likely mistakes are told by the names that docker build --check has', () => {
  const rules = (text: string) => checkDockerfile(parseDockerfile(text)).map(({ rule }) => rule);
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['FROM a AS B', ['StageNameCasing']],
    ['FROM a as b', ['FromAsCasing']],
    ['FROM a AS b\nFROM c AS b', ['DuplicateStageName']],
    ['FROM a AS scratch', ['ReservedStageName']],
    ['FROM a$v', ['UndefinedArgInFrom']],
    ['ARG v\nFROM $v', ['InvalidDefaultArgInFrom']],
    ['FROM --platform=$TARGETPLATFORM a', ['RedundantTargetPlatform']],
    ['FROM --platform=linux/amd64 a', ['FromPlatformFlagConstDisallowed']],
    ['FROM a\nMAINTAINER x', ['MaintainerDeprecated']],
    ['FROM a\nCMD x y', ['JSONArgsRecommended']],
    ['FROM a\nCMD ["x"]\nCMD ["y"]', ['MultipleInstructionsDisallowed']],
    ['FROM a\nENV x y', ['LegacyKeyValueFormat']],
    ['FROM a\nENV DB_PASSWORD=x PUBLIC_KEY=y TOKEN_FILE=z', ['SecretsUsedInArgOrEnv']],
    ['FROM a\nrun x', ['ConsistentInstructionCasing']],
    ['FROM a\nEXPOSE 80/TCP', ['ExposeProtoCasing']],
    ['FROM scratch\nCOPY $x /', ['UndefinedVar']],
    ['FROM scratch\nARG x\nCOPY $x /', []],
    ['FROM scratch\nWORKDIR app', ['WorkdirRelativePath']],
    ['FROM a\nRUN x \\\n\n  y', ['NoEmptyContinuation']],
  ];
  for (const [text, wanted] of cases) assert.deepEqual(rules(text), wanted, text);
});
