// The table that make bench prints.

export type Row = {
  readonly what: string;
  readonly ours: number | undefined;
  readonly unit: string;
  readonly other: number | undefined;
  readonly otherName: 'floor' | 'dockerd' | 'first' | '';
  readonly goal: string;
  readonly ratio: number | undefined;
  readonly ok: boolean | undefined;
};

const WIDTHS = [41, 12, 20, 8, 24, 4];

function figure(value: number | undefined, unit: string): string {
  if (value === undefined) return '-';
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(value < 1 ? 3 : 1)} ${unit}`;
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0))
    .join(' ')
    .trimEnd();
}

export function printRows(rows: readonly Row[], asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ rows })}\n`);
    return;
  }
  const out = [line(['what', 'coracle', 'other', 'ratio', 'goal', ''])];
  for (const row of rows) {
    const other =
      row.other === undefined ? '-' : `${figure(row.other, row.unit)} (${row.otherName})`;
    out.push(
      line([
        row.what,
        figure(row.ours, row.unit),
        other,
        row.ratio === undefined ? '-' : `${row.ratio.toFixed(1)}x`,
        row.goal,
        row.ok === undefined ? '' : row.ok ? 'OK' : 'MISS',
      ]),
    );
  }
  process.stdout.write(`${out.join('\n')}\n`);
}
