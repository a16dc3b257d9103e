// Names in archives and on disk are bytes. Here they travel as binary strings: each character is
// one byte (latin1), so they can be compared, split and used as map keys, and no byte is lost.

/** The binary string of a name given as text. */
export function toBinary(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The name as text; bytes that are not UTF-8 become U+FFFD. */
export function toText(binary: string): string {
  return Buffer.from(binary, 'latin1').toString('utf8');
}
