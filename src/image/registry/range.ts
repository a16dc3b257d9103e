// Content-Range (RFC 9110, section 14.4) and the Range of an unfinished upload.

export type ContentRange = {
  readonly first: number;
  readonly last: number;
  /** Of the whole; undefined when the server does not know. */
  readonly size: number | undefined;
};

/** "bytes 100-199/200"; undefined for anything else. */
export function parseContentRange(field: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(field?.trim() ?? '');
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  const size = match[3] === '*' ? undefined : Number(match[3]);
  if (first > last || (size !== undefined && last >= size)) return undefined;
  return { first, last, size };
}

/**
 * What of an upload has arrived: "0-99" is 100 bytes. "0-0" is one byte or, with docker-registry,
 * none: nothing can be told.
 */
export function parseUploadRange(field: string | undefined): number | undefined {
  const last = Number(/^(?:bytes=)?0-(\d{1,15})$/.exec(field?.trim() ?? '')?.[1] ?? 0);
  return last === 0 ? undefined : last + 1;
}
