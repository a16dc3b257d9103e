// Go's text/tabwriter with docker's settings (minimum width 10, padding 3, spaces): a column is a
// block of consecutive lines that have a cell there, and only that block shares a width.

const WIDTH_MIN = 10;
const PADDING = 3;

/** Aligns lines whose cells end with a tab; the text after the last tab is never padded. */
export function alignTabs(text: string, widthMin = WIDTH_MIN, padding = PADDING): string {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths: number[] = [];
  const out: string[] = [];
  const isWide = (line: readonly string[] | undefined): boolean =>
    line !== undefined && line.length - 1 > widths.length;
  const emit = (from: number, to: number): void => {
    for (const cells of lines.slice(from, to)) out.push(joinCells(cells, widths));
  };
  // One call handles the lines that share the columns in `widths` (tabwriter.go, `format`).
  const format = (first: number, end: number): void => {
    let done = first;
    for (let at = first; at < end; at += 1) {
      if (!isWide(lines[at])) continue;
      emit(done, at);
      const column = widths.length;
      let width = widthMin;
      let stop = at;
      for (; stop < end && isWide(lines[stop]); stop += 1) {
        width = Math.max(width, displayWidth(lines[stop]?.[column] ?? '') + padding);
      }
      widths.push(width);
      format(at, stop);
      widths.pop();
      done = stop;
      at = stop - 1;
    }
    emit(done, end);
  };
  format(0, lines.length);
  return out.join('\n');
}

function joinCells(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => {
      const width = widths[index];
      if (index === cells.length - 1 || width === undefined) return cell;
      return cell + ' '.repeat(Math.max(0, width - displayWidth(cell)));
    })
    .join('');
}

/** tabwriter counts code points, and so do we. */
function displayWidth(text: string): number {
  return [...text].length;
}
