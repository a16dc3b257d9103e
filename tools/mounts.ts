import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Unmounts all below a folder, such as pinned namespaces; answers where they were. */
export function unmountBelow(directory: string): readonly string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const paths = lines
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .toReversed();
  for (const path of paths) execFileSync('umount', [path], { stdio: 'pipe' });
  return paths;
}
