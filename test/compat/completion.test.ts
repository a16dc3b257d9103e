// Completion as a person has it: each shell with the script that we print for it, and the Tab key.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { Terminal } from './terminal.ts';

const skip = cannotRun();
const SIZE = { rows: 40, cols: 100 };
const PROMPT = 'ready>';

let daemon: Daemon;
let home: string;
before(async () => {
  if (skip !== false) return;
  home = mkdtempSync(join(tmpdir(), 'coracle-completion-'));
  daemon = await startDaemon();
  await daemon.ok('create', '--network', 'none', '--name', 'gondola', 'busybox', 'true');
});
after(async () => {
  if (skip !== false) return;
  await daemon[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

type Shell = 'bash' | 'zsh' | 'fish';

function lacks(shell: Shell): string | false {
  if (skip !== false) return skip;
  return spawnSync(shell, ['--version']).status === 0 ? false : `needs ${shell}`;
}

function environment(): NodeJS.ProcessEnv {
  const { HOME: _home, ...env } = daemon.engine.env;
  return { ...env, HOME: home, PATH: `${join(ROOT, 'bin')}:${env['PATH']}`, TERM: 'xterm' };
}

function scriptOf(shell: Shell): string {
  return execFileSync(join(ROOT, 'bin/coracle'), ['completion', shell], { encoding: 'utf8' });
}

/** How to start each with our script and no settings of the machine. */
const START: Readonly<Record<Shell, (script: string) => string>> = {
  bash: (script) => {
    const rc = join(home, 'bashrc');
    writeFileSync(rc, `PS1='${PROMPT} '\nsource '${script}'\n`);
    return `bash --noprofile --rcfile ${rc} -i`;
  },
  zsh: (script) => {
    const rc = `PS1='${PROMPT} '\nautoload -Uz compinit && compinit -u -D\nsource '${script}'\n`;
    writeFileSync(join(home, '.zshrc'), rc);
    return 'zsh -d -i';
  },
  fish: (script) => {
    const setup = `function fish_prompt; echo '${PROMPT} '; end; source '${script}'`;
    return `fish --no-config -i -C "${setup}"`;
  },
};

async function open(shell: Shell): Promise<Terminal> {
  const script = join(home, `completion.${shell}`);
  writeFileSync(script, scriptOf(shell));
  const terminal = await Terminal.open(START[shell](script), SIZE, environment());
  await terminal.until(new RegExp(`${PROMPT} ?$`));
  return terminal;
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  test(`${shell} takes the script that is printed for it`, { skip: lacks(shell) }, () => {
    const check = shell === 'fish' ? ['--no-execute'] : ['-n'];
    const script = join(home, `syntax.${shell}`);
    writeFileSync(script, scriptOf(shell));
    const { status, stderr } = spawnSync(shell, [...check, script], { encoding: 'utf8' });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  });

  test(`${shell} completes verbs, flags, containers and images`, {
    skip: lacks(shell),
  }, async () => {
    await using terminal = await open(shell);
    const complete = async (typed: string, wanted: string): Promise<void> => {
      terminal.press(`${typed}\t`);
      await terminal.until(new RegExp(`${wanted.replaceAll('.', '\\.')} ?$`));
      terminal.press('\x15'); // ^U: the next one starts from an empty line
    };
    await complete('coracle explai', 'coracle explain');
    await complete('coracle run --oom-k', 'coracle run --oom-kill-disable');
    await complete('coracle rm gond', 'coracle rm gondola');
    await complete('coracle container inspect gond', 'coracle container inspect gondola');
    await complete('coracle rmi busyb', 'coracle rmi busybox:latest');
    await complete('coracle rmi busybox:la', 'coracle rmi busybox:latest');
  });
}
