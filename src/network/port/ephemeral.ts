// The ports that -P and `-p 80` choose from: those that the kernel gives to outgoing connections
// too, as dockerd does. A connection that has one is told apart by its other end, and what is
// bound is skipped.
import { OpError } from '#kernel/native/encode.ts';
import type { Agent } from '#kernel/native/native.ts';
import type { PortRange } from './ledger.ts';

/** The range of RFC 6335, without its first port; for a kernel that does not tell its own. */
const DEFAULT_RANGE: PortRange = { first: 49_153, last: 65_535 };
const TEXT_BYTES_MAX = 64;

export function parseRange(text: string): PortRange {
  const match = /^(\d{1,5})\s+(\d{1,5})\s*$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  const isRange = match !== null && first > 0 && first <= last && last <= 65_535;
  return isRange ? { first, last } : DEFAULT_RANGE;
}

export async function ephemeralRange(agent: Pick<Agent, 'perform'>): Promise<PortRange> {
  const path = '/proc/sys/net/ipv4/ip_local_port_range';
  try {
    const [result] = await agent.perform([{ op: 'read', path, limit: TEXT_BYTES_MAX }]);
    return parseRange(result?.output.toString('latin1') ?? '');
  } catch (error) {
    if (error instanceof OpError) return DEFAULT_RANGE;
    throw error;
  }
}
