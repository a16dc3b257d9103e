// Colours, and names that others chose, for a terminal.
import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'cyan' | 'red' | 'green';
export type Paint = (style: Style, text: string) => string;

export function painter(colours: boolean): Paint {
  return (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text);
}

/** A process or a file is called as somebody likes: with a colour, or half of a character. */
export function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}
