// Ours: GET /coracle/networks/{id}/explain. What a packet meets on its way through a network.
import type { NetworkExplainReply } from '#wire/network.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { rawInteger } from '../json.ts';

export async function explainNetwork(exchange: Exchange): Promise<void> {
  const { deps, params } = exchange;
  const { id, name, driver, groups } = await deps.networks.explain(params['id'] ?? '');
  const reply: NetworkExplainReply = {
    Id: id,
    Name: name,
    Driver: driver,
    Groups: groups.map((group) => ({
      Name: group.name,
      Steps: group.steps.map(({ kind, text, why, packets, bytes }) => ({
        Kind: kind,
        Text: text,
        Why: why,
        Packets: count(packets),
        Bytes: count(bytes),
      })),
    })),
  };
  sendJson(exchange, 200, reply);
}

/** Written exactly, whatever its size. */
function count(value: bigint | undefined): number | null {
  return value === undefined ? null : (rawInteger(value) as number);
}
