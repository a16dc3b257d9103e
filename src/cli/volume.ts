// What the commands of volumes share: a volume's paths, and how a copy is told.
import { formatSize } from '#base/bytes.ts';
import type { VolumeCopyReply } from '#wire/volume.ts';

export function volumePath(name: string): string {
  return `/volumes/${encodeURIComponent(name)}`;
}

/** Ours. */
export function copyPath(name: string, verb: string): string {
  return `/coracle/volumes/${encodeURIComponent(name)}/${verb}`;
}

/** The cost goes to standard error: a script reads the name. */
export function tellCopy({ Name, BytesCopied, BytesShared }: VolumeCopyReply): void {
  process.stderr.write(
    `${formatSize(BytesCopied)} copied, ${formatSize(BytesShared)} shared with the original\n`,
  );
  process.stdout.write(`${Name}\n`);
}
