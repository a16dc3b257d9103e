// `-v SOURCE:TARGET:MODE`. Pure; texts are dockerd's (volume/mounts/linux_parser.go).
import { posix } from 'node:path';
import type { Propagation } from '#runtime/box.ts';
import {
  checkTarget,
  checkVolumeName,
  invalid,
  type MountWish,
  PLAIN,
  PROPAGATIONS,
} from './mount-wish.ts';

const MODE_GROUPS: readonly (readonly string[])[] = [
  ['rw', 'ro'],
  ['z', 'Z'],
  PROPAGATIONS,
  ['nocopy'],
  ['consistent', 'cached', 'delegated'],
  // Ours, with the letters that Podman has for them.
  ['U'],
  ['O'],
  ['idmap'],
];

/** "/host:/inside:ro,rslave", "name:/inside", "/inside". */
export function parseBind(text: string, volumeDriver: string): MountWish {
  const spec = `invalid volume specification: '${text}'`;
  const parts = text.split(':');
  const [first = '', second, mode = ''] = parts;
  if (first === '' || parts.length > 3) throw invalid(spec);
  if (parts.length === 2 && second !== undefined && validMode(second)) throw invalid(spec);
  if (!validMode(mode)) throw invalid(`invalid mode: ${mode}`);
  const source = second === undefined ? '' : first;
  const isBind = source.startsWith('/');
  const type = isBind ? 'bind' : 'volume';
  const config = `${spec}: invalid mount config for type "${type}": `;
  const target = checkTarget(second ?? first, config);
  const words = mode.split(',');
  if (!isBind && source !== '') checkVolumeName(source);
  const propagation = words.find((word) => PROPAGATIONS.includes(word));
  if (propagation !== undefined && !isBind) {
    throw invalid(`${config}field BindOptions must not be specified`);
  }
  if (words.includes('nocopy') && isBind) {
    throw invalid(`${config}field VolumeOptions must not be specified`);
  }
  const throwaway = words.includes('O');
  if (throwaway && (!isBind || words.includes('ro') || propagation !== undefined)) {
    throw invalid(`${config}O is for a bind that can be written to, and has no propagation`);
  }
  return {
    ...PLAIN,
    type,
    source: isBind ? posix.resolve(source) : source,
    target,
    readonly: words.includes('ro'),
    // What a volume shows that is given without a mode; nothing is relabelled here.
    mode: mode === '' && !isBind && second !== undefined ? 'z' : mode,
    propagation: (propagation as Propagation | undefined) ?? 'rprivate',
    createSource: isBind,
    noCopy: words.includes('nocopy'),
    driver: isBind ? '' : volumeDriver,
    chown: words.includes('U'),
    throwaway,
    idmap: words.includes('idmap'),
  };
}

/** One word of each kind at most; "" is no mode at all. */
export function validMode(mode: string): boolean {
  if (mode === '') return true;
  const seen = new Set<number>();
  for (const word of mode.split(',')) {
    const group = MODE_GROUPS.findIndex((words) => words.includes(word));
    if (group === -1 || seen.has(group)) return false;
    seen.add(group);
  }
  return true;
}
