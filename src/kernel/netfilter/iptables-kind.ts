// Which kind iptables is on this host (iptables-nft(8)): the one that writes to nf_tables, whose
// changes the kernel numbers and whose chains are among all others, or the old one, whose tables
// only the program itself can list.
import { isEngineError } from '#base/error.ts';
import type { ProgramRunner } from './run.ts';

export class IptablesKind {
  readonly #programs: ProgramRunner;
  #legacy: Promise<boolean> | undefined;

  constructor(programs: ProgramRunner) {
    this.#programs = programs;
  }

  /** Asked once. False where it is not installed: then nobody has rules in it. */
  isLegacy(): Promise<boolean> {
    this.#legacy ??= this.#ask();
    return this.#legacy;
  }

  async #ask(): Promise<boolean> {
    try {
      return !(await this.#programs.run(['iptables', '--version'])).includes('nf_tables');
    } catch (error) {
      if (isEngineError(error, 'unavailable')) return false;
      throw error;
    }
  }
}
