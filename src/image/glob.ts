// Go's path.Match: what `--filter reference=PATTERN` means. `*` and `?` stop at a slash.

/** The pattern as a test; undefined if it is malformed. */
export function compileGlob(pattern: string): ((text: string) => boolean) | undefined {
  let source = '';
  for (let i = 0; i < pattern.length; i += 1) {
    const char = pattern[i] ?? '';
    if (char === '*') source += source.endsWith('[^/]*') ? '' : '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const set = /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(i));
      if (set === null) return undefined;
      source += `(?!/)[${set[1]}${(set[2] ?? '').replace(/[[^]/g, '\\$&')}]`;
      i += set[0].length - 1;
    } else {
      if (char === '\\') i += 1;
      const literal = pattern[i];
      if (literal === undefined) return undefined;
      source += literal.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
    }
  }
  try {
    const regexp = new RegExp(`^${source}$`, 's');
    return (text) => regexp.test(text);
  } catch {
    return undefined; // A range such as [z-a].
  }
}
