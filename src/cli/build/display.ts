// What a build shows while it goes on: on a terminal a line for each step, written anew in place,
// with the last output of those that run; elsewhere lines that only grow.
import type { OwnBuildEvent } from '#wire/build.ts';
import type { ProgressMessage } from '#wire/image.ts';
import { type Paint, painter } from '../paint.ts';

export type DisplayOut = {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
};

export interface BuildDisplay {
  add(event: OwnBuildEvent): void;
  /** Leaves the terminal as it should be. */
  end(failed: boolean): void;
}

const OUTPUT_LINES_SHOWN = 4;
const OUTPUT_LINES_KEPT = 30;
const REDRAW_MS = 100;
const COLUMNS = 80;

type Line = {
  readonly step: number;
  readonly stage: number;
  readonly text: string;
  readonly startedAt: number;
  endedAt: number | undefined;
  cached: boolean;
  why: string;
  output: string[];
  partial: string;
};

/** The steps so far, from the events. */
export class Steps {
  readonly lines = new Map<number, Line>();
  steps = 0;
  pulls = new Map<string, string>();

  add(event: OwnBuildEvent): void {
    if (event.kind === 'step') {
      this.steps = event.steps;
      this.lines.set(event.step, {
        step: event.step,
        stage: event.stage,
        text: event.text,
        startedAt: performance.now(),
        endedAt: undefined,
        cached: false,
        why: '',
        output: [],
        partial: '',
      });
      return;
    }
    if (event.kind === 'pull') {
      const { id = '', status = '' } = event.progress as ProgressMessage;
      if (id !== '') this.pulls.set(id, status);
      return;
    }
    if (!('step' in event)) return;
    const line = this.lines.get(event.step);
    if (line === undefined) return;
    if (event.kind === 'cache') {
      line.cached = event.hit;
      line.why = event.why;
    } else if (event.kind === 'image') line.endedAt = performance.now();
    else if (event.kind === 'output') {
      const pieces = (line.partial + event.text).split('\n');
      line.partial = pieces.pop() ?? '';
      line.output = [...line.output, ...pieces].slice(-OUTPUT_LINES_KEPT);
    }
  }

  /** Of the last step that printed something. */
  get lastOutput(): readonly string[] {
    const last = [...this.lines.values()].findLast(
      ({ output, partial }) => output.length + partial.length > 0,
    );
    return last === undefined
      ? []
      : [...last.output, ...(last.partial === '' ? [] : [last.partial])];
  }
}

export function makeDisplay(
  kind: 'tty' | 'plain' | 'rawjson' | 'quiet',
  out: DisplayOut,
  options: { readonly explain: boolean },
): BuildDisplay {
  if (kind === 'quiet') return { add: () => {}, end: () => {} };
  if (kind === 'rawjson') {
    return { add: (event) => void out.write(`${JSON.stringify(event)}\n`), end: () => {} };
  }
  return kind === 'tty' ? new TerminalDisplay(out, options) : new PlainDisplay(out, options);
}

class PlainDisplay implements BuildDisplay {
  readonly #steps = new Steps();
  readonly #out: DisplayOut;
  readonly #explain: boolean;

  constructor(out: DisplayOut, { explain }: { readonly explain: boolean }) {
    this.#out = out;
    this.#explain = explain;
  }

  add(event: OwnBuildEvent): void {
    this.#steps.add(event);
    switch (event.kind) {
      case 'step':
        this.#out.write(`#${event.step} [${event.step}/${event.steps}] ${event.text}\n`);
        return;
      case 'cache':
        if (event.hit) this.#out.write(`#${event.step} CACHED\n`);
        else if (this.#explain) this.#out.write(`#${event.step} not cached: ${event.why}\n`);
        return;
      case 'output': {
        const line = this.#steps.lines.get(event.step);
        const seconds = line === undefined ? '' : ` ${secondsSince(line.startedAt)}`;
        for (const text of event.text.replace(/\n$/, '').split('\n')) {
          this.#out.write(`#${event.step}${seconds} ${text}\n`);
        }
        return;
      }
      case 'image': {
        const line = this.#steps.lines.get(event.step);
        if (line === undefined || line.cached) return;
        this.#out.write(`#${event.step} DONE ${secondsSince(line.startedAt)}s\n`);
        return;
      }
      case 'warning':
        this.#out.write(`WARN: ${event.rule}: ${event.message} (line ${event.line})\n`);
        return;
      case 'note':
        this.#out.write(`${event.text}\n`);
        return;
      default:
    }
  }

  end(): void {}
}

function secondsSince(startedAt: number, endedAt = performance.now()): string {
  return ((endedAt - startedAt) / 1000).toFixed(1);
}

class TerminalDisplay implements BuildDisplay {
  readonly #steps = new Steps();
  readonly #out: DisplayOut;
  readonly #paint: Paint = painter(true);
  readonly #explain: boolean;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #warnings: string[] = [];
  #drawn = 0;

  constructor(out: DisplayOut, { explain }: { readonly explain: boolean }) {
    this.#out = out;
    this.#explain = explain;
    this.#timer = setInterval(() => this.#draw(false), REDRAW_MS);
  }

  add(event: OwnBuildEvent): void {
    this.#steps.add(event);
    if (event.kind === 'warning') {
      this.#warnings.push(`${event.rule}: ${event.message} (line ${event.line})`);
    }
    if (event.kind === 'note') this.#warnings.push(event.text);
  }

  end(failed: boolean): void {
    clearInterval(this.#timer);
    this.#draw(!failed);
    for (const warning of this.#warnings) {
      this.#out.write(`${this.#paint('bold', 'WARN:')} ${warning}\n`);
    }
  }

  #draw(finished: boolean): void {
    const columns = this.#out.columns || COLUMNS; // 0 where nobody knows
    const rows: string[] = [];
    const done = [...this.#steps.lines.values()].filter(({ endedAt }) => endedAt !== undefined);
    const time = secondsSince(this.#startedAt);
    const state = finished ? 'FINISHED' : `${done.length}/${this.#steps.steps}`;
    rows.push(`${this.#paint('bold', '[+]')} Building ${time}s (${state})`);
    const pulling = [...this.#steps.pulls.values()].filter((status) => status !== 'Pull complete');
    if (pulling.length > 0 && this.#steps.lines.size <= 1) {
      rows.push(
        ` => ${this.#paint('dim', `pulling ${pulling.length} layers: ${pulling[0] ?? ''}`)}`,
      );
    }
    for (const line of [...this.#steps.lines.values()].sort((a, b) => a.step - b.step)) {
      rows.push(this.#row(line, columns));
      if (line.endedAt !== undefined) continue;
      const shown = [...line.output, ...(line.partial === '' ? [] : [line.partial])];
      for (const text of shown.slice(-OUTPUT_LINES_SHOWN)) {
        rows.push(this.#paint('dim', ` => => # ${plain(text)}`.slice(0, columns - 1)));
      }
    }
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`;
    this.#out.write(`${up}\r\x1b[J${rows.join('\n')}\n`);
    this.#drawn = rows.length;
  }

  #row(line: Line, columns: number): string {
    const time = line.cached ? 'CACHED' : `${secondsSince(line.startedAt, line.endedAt)}s`;
    const why = this.#explain && line.why !== '' ? `  (${line.why})` : '';
    const text = plain(`[${line.step}/${this.#steps.steps}] ${line.text}${why}`);
    const room = Math.max(10, columns - time.length - 6);
    const cut = text.length > room ? `${text.slice(0, room - 1)}…` : text.padEnd(room);
    const row = ` => ${cut} ${time}`;
    if (line.endedAt === undefined) return row;
    return this.#paint(line.cached ? 'green' : 'cyan', row);
  }
}

/** Control characters of a build must not steer the terminal here. */
function plain(text: string): string {
  return text
    .replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/^.*\r(?=.)/, '')
    .replace(/[\x00-\x1f\x7f]/g, ' ');
}

/** The place of an error in the Dockerfile, with the lines around it. */
export function showPlace(name: string, text: string, line: number): string {
  const lines = text.split('\n');
  const first = Math.max(1, line - 2);
  const last = Math.min(lines.length, line + 2);
  const rows = [`${name}:${line}`];
  for (let at = first; at <= last; at += 1) {
    const mark = at === line ? '>>>' : '   ';
    rows.push(`${String(at).padStart(4)} | ${mark} ${lines[at - 1] ?? ''}`);
  }
  return rows.join('\n');
}
