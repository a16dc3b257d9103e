import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { manPages } from './man.ts';
import { GLOBAL_FLAGS, ROOT } from './table/root.ts';

const PAGES = manPages(ROOT, GLOBAL_FLAGS);
const groff = spawnSync('groff', ['--version']).status === 0;

function textOf(file: string): string {
  return PAGES.find((page) => page.file === file)?.text ?? '';
}

test('each command has a page, and each other way to call it leads there', () => {
  assert.match(textOf('coracle-run.1'), /^\.TH "CORACLE\\-RUN" "1"/);
  assert.equal(textOf('coracle-container-run.1'), '.so man1/coracle-run.1\n');
  assert.equal(textOf('coracle-image-ls.1'), '.so man1/coracle-images.1\n');
  assert.match(textOf('coracle-network-create.1'), /\\fB\\-\\-subnet\\fR \\fIstrings\\fR/);
  assert.match(textOf('coracle.1'), /\.BR coracle\\-volume \(1\)/);
  assert.equal(new Set(PAGES.map(({ file }) => file)).size, PAGES.length);
  assert.ok(!PAGES.some(({ file }) => file.includes('__')));
});

test('a page that leads to another leads to one that is there', () => {
  for (const { text } of PAGES) {
    const target = /^\.so man1\/(.*)\n$/.exec(text)?.[1];
    if (target !== undefined) assert.match(textOf(target), /^\.TH/);
  }
});

test('groff renders every page without a warning', { skip: !groff && 'needs groff' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-man-'));
  try {
    mkdirSync(join(folder, 'man1'));
    const files = PAGES.map(({ file, text }) => {
      writeFileSync(join(folder, 'man1', file), text);
      return join('man1', file);
    });
    const argv = ['-man', '-Tutf8', '-ww', '-P-c', ...files];
    const { stderr, stdout } = spawnSync('groff', argv, { cwd: folder, encoding: 'utf8' });
    assert.equal(stderr, '');
    // Bold and underlined letters are struck twice.
    const plain = stdout.replaceAll(/.\x08/g, '');
    assert.match(plain, /coracle-run - Create and run a new container from an image/);
    assert.match(plain, /--publish-all/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
