// The way of a packet through the rules, in the order in which it meets them, whatever back end
// wrote them.
import type { NetworkStep } from '../engine.ts';
import type { Counter } from './listing.ts';

/** `in`: from outside, or from this host, to a published port. `out`: from a container outwards. */
export type Story = 'in' | 'out';

/** Where netfilter calls the rules of a story, in order. */
export type Hook = 'raw' | 'prerouting' | 'output' | 'forward' | 'mangle' | 'postrouting';

/** The steps that a packet of the story meets at a hook; a chain is told once in a story. */
export type Walk = (hook: Hook, story: Story) => readonly NetworkStep[];

/** What tells the rules of one network from those of others. */
export type Belongings = {
  readonly bridge: string;
  readonly subnets: readonly string[];
  /** Addresses of its containers. */
  readonly ips: readonly string[];
};

/** Published ports that are told one by one. */
export const ELEMENTS_MAX = 32;

export function step(
  kind: string,
  text: string,
  why: string,
  counter?: Counter | undefined,
): NetworkStep {
  return { kind, text, why, packets: counter?.packets, bytes: counter?.bytes };
}

/** The first of many, and how many more there are. */
export function shortened(steps: readonly NetworkStep[], what: string): readonly NetworkStep[] {
  const more = steps.length - ELEMENTS_MAX;
  if (more <= 0) return steps;
  return [...steps.slice(0, ELEMENTS_MAX), step('', `… and ${more} more ${what}`, '')];
}
