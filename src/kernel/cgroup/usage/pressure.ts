// Pressure stall information (Documentation/accounting/psi.rst): which share of the time somebody,
// or everybody, waited for a resource.

export type Stall = {
  /** Per cent of the last 10, 60 and 300 seconds. */
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Microseconds. */
  readonly total: number;
};

export type Pressure = { readonly some?: Stall; readonly full?: Stall };

/** Lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and "full ..." */
export function parsePressure(text: string): Pressure {
  const pressure: { some?: Stall; full?: Stall } = {};
  for (const line of text.split('\n')) {
    const match = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/.exec(
      line,
    );
    if (match === null) continue;
    const [, kind, avg10, avg60, avg300, total] = match;
    pressure[kind as 'some' | 'full'] = {
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
      total: Number(total),
    };
  }
  return pressure;
}
