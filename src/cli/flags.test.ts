import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CREATE_FLAGS, RUN_FLAGS } from './create/flags.ts';
import { FlagError, type FlagSpec, HelpRequested, parseFlags } from './flags.ts';

function parse(line: string, specs: readonly FlagSpec[] = RUN_FLAGS, interspersed = false) {
  return parseFlags(specs, line === '' ? [] : line.split(' '), { interspersed });
}

test('shorthands group, take their value joined or apart, and stop at the image', () => {
  const { flags, args } = parse('-dit -p80:80 -p=81:81 -p 82:82 --name=x busybox -v sh');
  assert.equal(flags.bool('detach') && flags.bool('interactive') && flags.bool('tty'), true);
  assert.deepEqual(flags.list('publish'), ['80:80', '81:81', '82:82']);
  assert.equal(flags.string('name'), 'x');
  assert.deepEqual(args, ['busybox', '-v', 'sh']);
});

test('a switch takes =false, and a flag that was not given is not there', () => {
  const { flags } = parse('--rm=false -t=true busybox');
  assert.equal(flags.bool('rm', true), false);
  assert.equal(flags.bool('tty'), true);
  assert.equal(flags.has('init'), false);
});

test('-- ends the flags', () => {
  assert.deepEqual(parse('-i -- -x y').args, ['-x', 'y']);
});

test('the book’s spellings mean docker’s flags', () => {
  const { flags } = parse('-ti -name web -net none -mem 64m -cpushare 512 -cpuset 0-1 busybox');
  assert.equal(flags.bool('tty') && flags.bool('interactive'), true);
  assert.equal(flags.string('name'), 'web');
  assert.equal(flags.number('memory'), 64 * 1024 * 1024);
  assert.equal(flags.number('cpu-shares'), 512);
  assert.equal(flags.string('cpuset-cpus'), '0-1');
  assert.equal(flags.list<{ target: string }>('network')[0]?.target, 'none');
});

test('what is wrong is said in pflag’s words', () => {
  const refusals = {
    '--foo x': 'unknown flag: --foo',
    '-y x': "unknown shorthand flag: 'y' in -y",
    '-ity': "unknown shorthand flag: 'y' in -y",
    '-m': "flag needs an argument: 'm' in -m",
    '--memory': 'flag needs an argument: --memory',
    '---x': 'bad flag syntax: ---x',
    '-m abc x': `invalid argument "abc" for "-m, --memory" flag: invalid size: 'abc'`,
  };
  for (const [line, message] of Object.entries(refusals)) {
    assert.throws(
      () => parse(line),
      (error) => {
        assert.ok(error instanceof FlagError);
        assert.equal(error.message, message);
        return true;
      },
    );
  }
});

test('--help asks for help; -h is the host name where there is one', () => {
  assert.throws(() => parse('--help'), HelpRequested);
  assert.throws(() => parse('-h', []), HelpRequested);
  assert.equal(parse('-h box x').flags.string('hostname'), 'box');
});

test('no two flags of a command share a name or a letter', () => {
  for (const specs of [RUN_FLAGS, CREATE_FLAGS]) {
    const names = specs.flatMap(({ name, alias }) => [name, alias ?? []].flat());
    const letters = specs.flatMap(({ short }) => short ?? []);
    assert.equal(new Set(names).size, names.length);
    assert.equal(new Set(letters).size, letters.length);
  }
});
