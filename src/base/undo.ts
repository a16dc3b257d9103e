// An undo stack owns half-done work. Steps run in reverse unless committed; a failing undo step is
// reported, never thrown, so the cause of the failure stays the error that the caller sees.

export type UndoReport = (what: string, error: unknown) => void;

export class Undo implements AsyncDisposable {
  readonly #report: UndoReport;
  #steps: { readonly what: string; readonly run: () => unknown }[] = [];

  constructor(report: UndoReport) {
    this.#report = report;
  }

  /** Adds a step that takes back what was just done. */
  add(what: string, run: () => unknown): void {
    this.#steps.push({ what, run });
  }

  /** The work is whole: nothing will be undone. */
  commit(): void {
    this.#steps = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const steps = this.#steps.reverse();
    this.#steps = [];
    for (const step of steps) {
      try {
        await step.run();
      } catch (error) {
        this.#report(step.what, error);
      }
    }
  }
}
