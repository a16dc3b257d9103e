// A Dockerfile's text as instructions with their places: parser directives, comments, continued
// lines, here-documents and flags (Dockerfile reference, "Format" and "Here-Documents"). What an
// instruction means is instruction.ts' business.
import { fault, type Place } from './fault.ts';
import { parseHeredocs } from './heredoc.ts';
import { splitFlags } from './split-flags.ts';

/** Of one Dockerfile; buildkit refuses more, too. */
export const DOCKERFILE_BYTES_MAX = 16 * 1024 * 1024;
export const INSTRUCTIONS_MAX = 10_000;

export type Heredoc = {
  readonly name: string;
  /** Of the shell, before "<<"; 0 in COPY and ADD. */
  readonly descriptor: number;
  /** Its word had no quotes: variables are replaced in it. */
  readonly expand: boolean;
  /** "<<-": leading tabs of each line go. */
  readonly chomp: boolean;
  readonly content: string;
};

/** One instruction, its lines joined. */
export type Statement = {
  /** Upper case. */
  readonly name: string;
  /** As it was written. */
  readonly spelling: string;
  /** "--mount=type=cache,target=/x" ... */
  readonly flags: readonly string[];
  /** Behind the flags. */
  readonly rest: string;
  /** All of it in one line, as a step of a build is told. */
  readonly text: string;
  readonly heredocs: readonly Heredoc[];
  readonly place: Place;
};

export type Source = {
  readonly statements: readonly Statement[];
  readonly escapeChar: string;
  /** `# syntax=`, `# check=`; "" when absent. */
  readonly directives: Readonly<Record<'syntax' | 'escape' | 'check', string>>;
  readonly lines: readonly string[];
  /** Line numbers where an empty line continues an instruction. */
  readonly emptyContinuations: readonly number[];
};

const HEREDOC_INSTRUCTIONS = new Set(['ADD', 'COPY', 'RUN']);
const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;

export function parseSource(text: string): Source {
  if (Buffer.byteLength(text) > DOCKERFILE_BYTES_MAX) {
    throw fault(undefined, `the Dockerfile is larger than ${DOCKERFILE_BYTES_MAX} bytes`);
  }
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  // What follows the last newline is no line.
  if (lines.at(-1) === '') lines.pop();
  const directives = readDirectives(lines);
  const escapeChar = directives.escape === '' ? '\\' : directives.escape;
  const reader = new Reader(lines, escapeChar);
  const statements: Statement[] = [];
  for (let next = reader.statement(); next !== undefined; next = reader.statement()) {
    statements.push(next);
    if (statements.length > INSTRUCTIONS_MAX) {
      throw fault(next.place, `more than ${INSTRUCTIONS_MAX} instructions`);
    }
  }
  if (statements.length === 0) throw fault(undefined, 'file with no instructions');
  const { emptyContinuations } = reader;
  return { statements, escapeChar, directives, lines, emptyContinuations };
}

/** Only at the top, before any comment, empty line or instruction. */
function readDirectives(lines: readonly string[]): Source['directives'] {
  const found = { syntax: '', escape: '', check: '' };
  for (const [index, line] of lines.entries()) {
    const match = DIRECTIVE.exec(line);
    if (match === null) break;
    const [, name = '', value = ''] = match;
    const key = name.toLowerCase();
    if (key !== 'syntax' && key !== 'escape' && key !== 'check') break;
    const place = { start: index + 1, end: index + 1 };
    if (found[key] !== '') throw fault(place, `only one ${key} parser directive can be used`);
    if (key === 'escape' && value !== '\\' && value !== '`') {
      throw fault(place, `invalid escape token '${value}' does not match \` or \\`);
    }
    found[key] = value;
  }
  return found;
}

class Reader {
  readonly emptyContinuations: number[] = [];
  readonly #lines: readonly string[];
  readonly #escape: string;
  #at = 0;

  constructor(lines: readonly string[], escapeChar: string) {
    this.#lines = lines;
    this.#escape = escapeChar;
  }

  statement(): Statement | undefined {
    for (;;) {
      const line = this.#lines[this.#at];
      if (line === undefined) return undefined;
      this.#at += 1;
      if (isComment(line)) continue;
      const start = this.#at;
      const text = this.#joined(line.trimStart());
      if (text.trim() === '') continue;
      return this.#statementOf(text.trimEnd(), start);
    }
  }

  /** With the lines that continue it; comments among them do not end it. */
  #joined(first: string): string {
    let [text, goesOn] = this.#cut(first);
    while (goesOn && this.#at < this.#lines.length) {
      const line = this.#lines[this.#at] ?? '';
      this.#at += 1;
      if (isComment(line)) continue;
      if (line.trim() === '') {
        this.emptyContinuations.push(this.#at);
        continue;
      }
      const [more, again] = this.#cut(line);
      text += more;
      goesOn = again;
    }
    return text;
  }

  /** Without the escape at its end, which no other escape may stand before. */
  #cut(line: string): [text: string, goesOn: boolean] {
    const bare = line.replace(/[ \t]+$/, '');
    const ends = bare.endsWith(this.#escape) && !bare.endsWith(this.#escape.repeat(2));
    return ends ? [bare.slice(0, -1), true] : [line, false];
  }

  #statementOf(text: string, start: number): Statement {
    const [, spelling = '', behind = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
    const name = spelling.toUpperCase();
    const here = { start, end: this.#at };
    const { flags, rest } = splitFlags(behind, this.#escape, here);
    const heredocs = this.#heredocs(name, rest, here);
    const place = { start, end: this.#at };
    return { name, spelling, flags, rest, text, heredocs, place };
  }

  #heredocs(name: string, rest: string, place: Place): readonly Heredoc[] {
    const inner = name === 'ONBUILD' ? (/^(\S+)/.exec(rest)?.[1] ?? '').toUpperCase() : name;
    if (!HEREDOC_INSTRUCTIONS.has(inner) || !rest.includes('<<')) return [];
    return parseHeredocs(rest, this.#escape).map((head) => {
      const lines: string[] = [];
      for (;;) {
        const line = this.#lines[this.#at];
        if (line === undefined) throw fault(place, `unterminated heredoc (no line ${head.name})`);
        this.#at += 1;
        if ((head.chomp ? line.replace(/^\t+/, '') : line) === head.name) break;
        lines.push(head.chomp ? line.replace(/^\t+/, '') : line);
      }
      return { ...head, content: lines.map((line) => `${line}\n`).join('') };
    });
  }
}

function isComment(line: string): boolean {
  return /^\s*#/.test(line);
}
