// Finds the end of an HTTP/1.1 message body: by chunks, by length, or by the connection's end
// (RFC 9112 section 6.3). Pure: bytes in, bytes out, at any split.

/** A chunk-size line or a trailer line longer than this is refused. */
export const LINE_BYTES_MAX = 8 * 1024;

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'length' | 'until-end' | 'done';

export class BodyDecoder {
  #state: State;
  #left = 0;
  #line = '';

  constructor(method: string, status: number, headers: ReadonlyMap<string, string>) {
    const length = headers.get('content-length');
    if (method === 'HEAD' || status === 204 || status === 304) this.#state = 'done';
    else if (/\bchunked$/i.test(headers.get('transfer-encoding') ?? '')) this.#state = 'size';
    else if (length === undefined) this.#state = 'until-end';
    else {
      if (!/^\d{1,15}$/.test(length)) throw new Error('malformed Content-Length');
      this.#left = Number(length);
      this.#state = this.#left === 0 ? 'done' : 'length';
    }
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  get endsWithConnection(): boolean {
    return this.#state === 'until-end';
  }

  /** Gives each piece of the body to `sink`; false when the sink wants a pause. */
  feed(chunk: Buffer, sink: (piece: Buffer) => boolean): boolean {
    let at = 0;
    let more = true;
    while (at < chunk.length && this.#state !== 'done') {
      if (this.#state === 'until-end') return sink(chunk.subarray(at)) && more;
      if (this.#state === 'length' || this.#state === 'data') {
        const size = Math.min(this.#left, chunk.length - at);
        more = sink(chunk.subarray(at, at + size)) && more;
        at += size;
        this.#left -= size;
        if (this.#left === 0) this.#state = this.#state === 'length' ? 'done' : 'data-end';
        continue;
      }
      at = this.#readLine(chunk, at);
    }
    return more;
  }

  #readLine(chunk: Buffer, from: number): number {
    const newline = chunk.indexOf(10, from);
    const to = newline < 0 ? chunk.length : newline;
    this.#line += chunk.toString('latin1', from, to);
    if (this.#line.length > LINE_BYTES_MAX) throw new Error('chunk header too long');
    if (newline < 0) return to;
    const line = this.#line.replace(/\r$/, '');
    this.#line = '';
    this.#takeLine(line);
    return newline + 1;
  }

  #takeLine(line: string): void {
    if (this.#state === 'data-end') {
      if (line !== '') throw new Error('malformed chunk');
      this.#state = 'size';
    } else if (this.#state === 'trailer') {
      if (line === '') this.#state = 'done';
    } else {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line)?.[1];
      if (size === undefined) throw new Error('malformed chunk size');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'data';
    }
  }
}
