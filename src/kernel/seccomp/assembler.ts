// Classic BPF (linux/filter.h), assembled from the last instruction to the first. Every jump of
// BPF goes forward, so the target of a jump is already placed when the jump is, and its distance
// is known; a distance over 255, the most a conditional jump can hold, gets a BPF_JA in between.

/** A place in the program, counted from its end: it stays true while code is put before it. */
export type Label = number;

const LD_W_ABS = 0x20;
const JA = 0x05;
const JEQ_K = 0x15;
const JGT_K = 0x25;
const JGE_K = 0x35;
const ALU_AND_K = 0x54;
const RET_K = 0x06;
const JUMP_MAX = 255;
/** sizeof(struct sock_filter) */
const INSN_BYTES = 8;

/** BPF_MAXINSNS: the kernel refuses longer programs. */
export const BPF_INSNS_MAX = 4096;

export type Test = 'jeq' | 'jgt' | 'jge';
const TESTS: Readonly<Record<Test, number>> = { jeq: JEQ_K, jgt: JGT_K, jge: JGE_K };

type Insn = {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
};

export class Assembler {
  readonly #reversed: Insn[] = [];
  readonly #returns = new Map<number, Label>();

  get length(): number {
    return this.#reversed.length;
  }

  /** A `return value`; one near enough is used again. */
  ret(value: number): Label {
    const near = this.#returns.get(value);
    if (near !== undefined && this.#distance(near) < JUMP_MAX - 2) return near;
    const label = this.#push({ code: RET_K, jt: 0, jf: 0, k: value });
    this.#returns.set(value, label);
    return label;
  }

  /** Loads a 32-bit word of struct seccomp_data, then goes on at `next`. */
  load(offset: number, next: Label): Label {
    this.#reach(next);
    return this.#push({ code: LD_W_ABS, jt: 0, jf: 0, k: offset });
  }

  and(mask: number, next: Label): Label {
    this.#reach(next);
    return this.#push({ code: ALU_AND_K, jt: 0, jf: 0, k: mask });
  }

  /** Compares the loaded word with k, unsigned. */
  jump(test: Test, k: number, whenTrue: Label, whenFalse: Label): Label {
    let jt = whenTrue;
    let jf = whenFalse;
    // The second jump placed before this one moves the first a step away: leave room for it.
    if (this.#distance(jt) > JUMP_MAX - 1) jt = this.#far(jt);
    if (this.#distance(jf) > JUMP_MAX) jf = this.#far(jf);
    return this.#push({ code: TESTS[test], jt: this.#distance(jt), jf: this.#distance(jf), k });
  }

  /** struct sock_filter[] in little-endian bytes, starting at `entry`. */
  assemble(entry: Label): Uint8Array {
    this.#reach(entry);
    const bytes = new Uint8Array(this.#reversed.length * INSN_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [index, insn] of this.#reversed.toReversed().entries()) {
      const at = index * INSN_BYTES;
      view.setUint16(at, insn.code, true);
      view.setUint8(at + 2, insn.jt);
      view.setUint8(at + 3, insn.jf);
      view.setUint32(at + 4, insn.k, true);
    }
    return bytes;
  }

  /** Makes the instruction placed next fall through to `label`. */
  #reach(label: Label): void {
    if (this.#distance(label) !== 0) this.#far(label);
  }

  #far(label: Label): Label {
    return this.#push({ code: JA, jt: 0, jf: 0, k: this.#distance(label) });
  }

  /** Instructions to skip between one placed now and `label`. */
  #distance(label: Label): number {
    return this.#reversed.length - label;
  }

  #push(insn: Insn): Label {
    this.#reversed.push(insn);
    return this.#reversed.length;
  }
}
