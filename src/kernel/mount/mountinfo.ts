// The text of /proc/self/mountinfo (proc(5)).

/** Mount points below a directory, those that were mounted last first. */
export function pathsBelow(root: string, mountinfo: string): readonly string[] {
  return parse(mountinfo)
    .map(({ path }) => path)
    .filter((path) => path.startsWith(`${root}/`))
    .toReversed();
}

export type MountOf = {
  readonly path: string;
  /** Mounts are passed on to its peers, and come from them. */
  readonly shared: boolean;
  /** Mounts come from its master. */
  readonly slave: boolean;
};

/** What a path without links is on: of two mounts at one place the later one. */
export function mountOf(path: string, mountinfo: string): MountOf | undefined {
  const around = parse(mountinfo).filter(
    (mount) => mount.path === '/' || mount.path === path || path.startsWith(`${mount.path}/`),
  );
  return around.reduce<MountOf | undefined>(
    (best, mount) => (best === undefined || mount.path.length >= best.path.length ? mount : best),
    undefined,
  );
}

/** Optional fields are from the seventh on, up to a "-". */
function parse(mountinfo: string): readonly MountOf[] {
  return mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, , , , path = '', , ...rest] = line.split(' ');
      const tags = rest.slice(0, rest.indexOf('-'));
      return {
        path: decodeOctal(path),
        shared: tags.some((tag) => tag.startsWith('shared:')),
        slave: tags.some((tag) => tag.startsWith('master:')),
      };
    });
}

/** Space, tab, newline and backslash are written as \ and three octal digits. */
export function decodeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
