// The text of /proc/self/mountinfo (proc(5)).

/** Mount points below a directory, those that were mounted last first. */
export function pathsBelow(root: string, mountinfo: string): readonly string[] {
  return mountinfo
    .split('\n')
    .map((line) => plainPath(line.split(' ')[4] ?? ''))
    .filter((path) => path.startsWith(`${root}/`))
    .toReversed();
}

/** Space, tab, newline and backslash are written as \ and three octal digits. */
function plainPath(path: string): string {
  return path.replaceAll(/\\(\d{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
