// Words and variables of a Dockerfile (Dockerfile reference, "Environment replacement"): quotes,
// escapes, $NAME, ${NAME} with its modifiers. The same rules as a shell's, without its commands.
import { EngineError } from '#base/error.ts';
import { splitWords } from '#image/change-words.ts';
import { matchPrefix, replacePattern } from './pattern.ts';

export type Expansion = {
  /** "\\" or "`". */
  readonly escapeChar: string;
  readonly lookup: (name: string) => string | undefined;
  /** Told each name that is looked up and not there. */
  readonly onUnset?: (name: string) => void;
  /** What is not set stays as it is written. */
  readonly keepUnset?: boolean;
};

/** Characters of one expanded word: a chain of definitions may double each time. */
export const WORD_LENGTH_MAX = 1024 * 1024;
/** ${a:-${b:-...}} */
const DEPTH_MAX = 64;

/** Quotes and escapes go, variables are replaced; the value stays one word. */
export function expandWord(text: string, expansion: Expansion): string {
  return new Scanner(text, expansion).word('');
}

/** Replaces variables only: for the content of a here-document, where quotes mean nothing. */
export function expandText(text: string, expansion: Expansion): string {
  return new Scanner(text, expansion).text();
}

/** As a shell: split at blanks outside quotes, each word expanded; an empty one goes. */
export function expandWords(text: string, expansion: Expansion): readonly string[] {
  return splitWords(text, expansion.escapeChar).map((word) => expandWord(word, expansion));
}

function wrong(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}

class Scanner {
  readonly #text: string;
  readonly #expansion: Expansion;
  #at = 0;
  #depth = 0;

  constructor(text: string, expansion: Expansion) {
    this.#text = text;
    this.#expansion = expansion;
  }

  /** Up to an unquoted `stop`, which is consumed; "" is the end of the text. */
  word(stop: string): string {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw wrong('variables are nested too deep');
    let result = '';
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) {
        if (stop !== '') throw wrong(`syntax error: missing '${stop}'`);
        return result;
      }
      this.#at += 1;
      if (char === stop) {
        this.#depth -= 1;
        return result;
      }
      result += this.#one(char);
      if (result.length > WORD_LENGTH_MAX) throw wrong('an expanded word is too long');
    }
  }

  text(): string {
    let result = '';
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      this.#at += 1;
      const next = this.#text[this.#at] ?? '';
      if (char === this.#expansion.escapeChar && (next === '$' || next === char)) {
        this.#at += 1;
        result += next;
      } else result += char === '$' ? this.#variable() : char;
      if (result.length > WORD_LENGTH_MAX) throw wrong('an expanded text is too long');
    }
    return result;
  }

  #one(char: string): string {
    if (char === "'") return this.#single();
    if (char === '"') return this.#double();
    if (char === '$') return this.#variable();
    if (char !== this.#expansion.escapeChar) return char;
    const next = this.#text[this.#at] ?? '';
    this.#at += 1;
    return next;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw wrong('unexpected end of statement while looking for matching single-quote');
    const value = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return value;
  }

  #double(): string {
    const { escapeChar } = this.#expansion;
    let result = '';
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) {
        throw wrong('unexpected end of statement while looking for matching double-quote');
      }
      this.#at += 1;
      if (char === '"') return result;
      if (char === '$') result += this.#variable();
      else if (char === escapeChar) {
        const next = this.#text[this.#at] ?? '';
        // Inside quotes only these mean something.
        if (next === '"' || next === '$' || next === escapeChar) {
          this.#at += 1;
          result += next;
        } else result += char;
      } else result += char;
    }
  }

  /** Behind the "$". */
  #variable(): string {
    const start = this.#at;
    if (this.#text[this.#at] === '{') {
      this.#at += 1;
      return this.#braced(start);
    }
    const name = /^(?:[A-Za-z_][A-Za-z0-9_]*|\d+|[@*#?\-$!])/.exec(this.#text.slice(this.#at))?.[0];
    if (name === undefined) return '$';
    this.#at += name.length;
    return this.#value(name) ?? this.#unset(name, `$${name}`);
  }

  #braced(start: number): string {
    const [name = ''] =
      /^(?:[A-Za-z_][A-Za-z0-9_]*|\d+|[@*#?\-$!])/.exec(this.#text.slice(this.#at)) ?? [];
    if (name === '') throw wrong('syntax error: bad substitution');
    this.#at += name.length;
    const rest = this.#text.slice(this.#at);
    const operator = /^(?:\}|:[-+?]|[-+?]|##?|%%?|\/\/?)/.exec(rest)?.[0];
    if (operator === undefined) {
      if (rest === '') throw wrong("syntax error: missing '}'");
      const modifier = rest.startsWith(':') ? rest.slice(0, 2) : rest.slice(0, 1);
      throw wrong(`unsupported modifier (${modifier}) in substitution`);
    }
    this.#at += operator.length;
    const value = this.#value(name);
    if (operator === '}') {
      return value ?? this.#unset(name, `$${this.#text.slice(start, this.#at)}`);
    }
    if (operator === '/' || operator === '//')
      return this.#replaced(value ?? '', operator === '//');
    const word = this.#operand(operator.startsWith('#') || operator.startsWith('%'));
    return this.#modified(name, value, operator, word);
  }

  /** In a pattern an escape stays, so that it may quote a star. */
  #operand(pattern: boolean): string {
    if (!pattern) return this.word('}');
    return this.#pattern('}');
  }

  #pattern(stop: string): string {
    let result = '';
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw wrong("syntax error: missing '}'");
      this.#at += 1;
      if (char === stop) return result;
      if (char === this.#expansion.escapeChar) {
        const next = this.#text[this.#at] ?? '';
        this.#at += 1;
        result += /[*?\\]/.test(next) ? `\\${next}` : next;
      } else result += char === '\\' ? '\\\\' : this.#one(char);
    }
  }

  #replaced(value: string, all: boolean): string {
    const pattern = this.#pattern('/');
    const replacement = this.word('}');
    return replacePattern(value, pattern, replacement, all);
  }

  #modified(name: string, value: string | undefined, operator: string, word: string): string {
    const isSet = operator.startsWith(':')
      ? value !== undefined && value !== ''
      : value !== undefined;
    switch (operator) {
      case ':-':
      case '-':
        return isSet ? (value ?? '') : word;
      case ':+':
      case '+':
        return isSet ? word : '';
      case ':?':
      case '?': {
        if (isSet) return value ?? '';
        const why = word === '' ? 'is not allowed to be unset' : word;
        throw wrong(`${name}: ${why}`);
      }
      case '#':
      case '##':
        return matchPrefix(value ?? '', word, operator === '##');
      default:
        // From the end: the same on what is written backwards is not, so by trying.
        return matchPrefix(value ?? '', word, operator === '%%', 'end');
    }
  }

  #value(name: string): string | undefined {
    return this.#expansion.lookup(name);
  }

  #unset(name: string, written: string): string {
    this.#expansion.onUnset?.(name);
    return this.#expansion.keepUnset === true ? written : '';
  }
}
