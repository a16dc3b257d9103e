// What every method here takes.

export type CallOptions = {
  /** Ends the call: what it waits for is rejected with the code `cancelled`. */
  readonly signal?: AbortSignal | undefined;
};

/** `{ label: ['a=b'], status: 'running' }`: a value or several, of which one must be true. */
export type Filters = Readonly<Record<string, string | readonly string[]>>;

export type FilterOptions = CallOptions & { readonly filters?: Filters };

/** As the query wants them; undefined where there are none. */
export function filterText(filters: Filters | undefined): string | undefined {
  const entries = Object.entries(filters ?? {});
  if (entries.length === 0) return undefined;
  const lists = entries.map(([name, values]) => [
    name,
    typeof values === 'string' ? [values] : values,
  ]);
  return JSON.stringify(Object.fromEntries(lists));
}

/** Moments of logs and events: seconds since 1970 with nanoseconds, as text. */
export type Moment = Date | number | string;

export function momentText(moment: Moment | undefined): string | undefined {
  if (moment === undefined) return undefined;
  if (moment instanceof Date) return (moment.getTime() / 1000).toFixed(3);
  return String(moment);
}

/** A method's last parameter without what is not the client's. */
export function signalOf({ signal }: CallOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
