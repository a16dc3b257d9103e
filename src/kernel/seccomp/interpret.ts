// Runs a filter as the kernel does (bpf_prog_run on struct seccomp_data), to test what was
// compiled. It knows the instructions that the assembler makes, and refuses others.

export type SyscallData = {
  readonly arch: number;
  readonly nr: number;
  readonly args?: readonly bigint[];
};

export type Outcome = { readonly value: number; readonly steps: number };

const DATA_BYTES = 64; // sizeof(struct seccomp_data)

export function interpret(filter: Uint8Array, data: SyscallData): Outcome {
  const memory = seccompData(data);
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  let accumulator = 0;
  let steps = 0;
  for (let at = 0; at < filter.length; at += 8) {
    steps += 1;
    const k = view.getUint32(at + 4, true);
    const jump = (taken: boolean): void => {
      at += 8 * view.getUint8(at + (taken ? 2 : 3));
    };
    const code = view.getUint16(at, true);
    switch (code) {
      case 0x20: // ld [k]
        accumulator = memory.getUint32(k, true);
        break;
      case 0x54: // and #k
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05: // ja
        at += 8 * k;
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x25:
        jump(accumulator > k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x06: // ret #k
        return { value: k, steps };
      default:
        throw new RangeError(`unknown BPF instruction 0x${code.toString(16)}`);
    }
  }
  throw new RangeError('the filter ends without a return');
}

function seccompData(data: SyscallData): DataView {
  const view = new DataView(new ArrayBuffer(DATA_BYTES));
  view.setUint32(0, data.nr, true);
  view.setUint32(4, data.arch, true);
  for (const [index, arg] of (data.args ?? []).entries()) {
    view.setBigUint64(16 + index * 8, arg, true);
  }
  return view;
}
