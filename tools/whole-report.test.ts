import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './source.ts';

const TESTS = 2_000;

test('a file of many tests is counted whole, though its process is ended by force', (t) => {
  const directory = mkdtempSync('/tmp/coracle-report-');
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'many.test.mjs');
  writeFileSync(
    file,
    `import { test } from 'node:test';
     for (let i = 0; i < ${TESTS}; i += 1) test('is number ' + i, () => {});`,
  );
  const count = join(directory, 'count.mjs');
  writeFileSync(
    count,
    `import { run } from 'node:test';
     const execArgv = ['--test-force-exit', '--import=${join(ROOT, 'tools/whole-report.ts')}'];
     let passed = 0;
     const stream = run({ files: ['${file}'], execArgv });
     stream.on('test:pass', () => {
       passed += 1;
       const start = performance.now();
       if (passed % 200 === 1) while (performance.now() - start < 20); // a busy reader
     });
     for await (const _ of stream);
     process.stdout.write(String(passed));`,
  );
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const options = { env, encoding: 'utf8', timeout: 30_000 } as const;
  assert.equal(execFileSync(process.execPath, [count], options), String(TESTS));
});
