// Colours, for a terminal.
import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'cyan' | 'red' | 'green';
export type Paint = (style: Style, text: string) => string;

export function painter(colours: boolean): Paint {
  return (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text);
}
