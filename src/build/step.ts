// One step of a stage: what it depends on, and what it makes.
import type { ImageConfig } from '#image/config.ts';
import type { Ingest } from '#image/content/content.ts';
import { DEFAULT_SHELL } from './config-change.ts';

export type StepWish = {
  readonly config: ImageConfig;
  /** As `docker history` shows it. */
  readonly createdBy: string;
  /** What the result depends on besides where the stage stands and what `createdBy` says. */
  readonly inputs: readonly unknown[];
  /**
   * `createdBy` says all of it, so that a step of an image from elsewhere can be known by it, if
   * the caller wants that (--cache-from).
   */
  readonly portable: boolean;
  /** undefined: it only says something. */
  readonly layer: (() => Promise<Ingest | undefined>) | undefined;
  /** CMD was said in this stage. */
  readonly cmdIsOwn?: boolean;
  readonly author?: string;
};

/** How the history names what is no command: Docker's tools look for "#(nop)". */
export function nop(shell: readonly string[] | undefined, text: string): string {
  return `${(shell ?? DEFAULT_SHELL).join(' ')} #(nop) ${text}`;
}
