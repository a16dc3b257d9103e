// Forwarding of the host, switched on only when a network needs it, and never off: others may have
// come to need it. What was already on is not written, so that a read-only /proc/sys is no failure.
import type { Agent } from '#kernel/native/native.ts';
import type { Op } from '#kernel/native/op.ts';
import type { Netlink } from '#kernel/netlink/netlink.ts';

const VALUE_BYTES_MAX = 32;
const LINKS_MAX = 1024;
const FORWARD4 = 'net/ipv4/ip_forward';
const FORWARD6 = 'net/ipv6/conf/all/forwarding';
/** The policy of FORWARD is the administrator's: docs/network.md. */
const OTHERS = 'what passes between its other interfaces is up to its own FORWARD rules';

type Hands = {
  readonly agent: Pick<Agent, 'perform'>;
  readonly netlink: Netlink;
  /** Hears what of the host was changed, and why. */
  readonly tell: (what: string) => void;
};

async function read(agent: Hands['agent'], keys: readonly string[]): Promise<readonly string[]> {
  const ops = keys.map(
    (key): Op => ({ op: 'read', path: `/proc/sys/${key}`, limit: VALUE_BYTES_MAX }),
  );
  return (await agent.perform(ops)).map(({ output }) => output.toString('latin1').trim());
}

async function write(agent: Hands['agent'], keys: readonly string[], value: string) {
  await agent.perform(keys.map((key): Op => ({ op: 'netns_sysctl', namespace: '', key, value })));
}

export async function forward4({ agent, tell }: Hands): Promise<void> {
  const [now] = await read(agent, [FORWARD4]);
  if (now === '1') return;
  await write(agent, [FORWARD4], '1');
  tell(`${FORWARD4} = 1: a network needs the host to forward IPv4; ${OTHERS}`);
}

/**
 * A host that forwards no longer listens to router advertisements, unless accept_ra is 2
 * (ip-sysctl.rst): interfaces that listened before are told to go on, or the host would lose its
 * own default route.
 */
export async function forward6({ agent, netlink, tell }: Hands): Promise<void> {
  const [now] = await read(agent, [FORWARD6]);
  if (now === '1') return;
  const links = (await netlink.links('')).filter(({ loopback }) => !loopback).slice(0, LINKS_MAX);
  const keys = ['default', ...links.map(({ name }) => name)].map(
    (name) => `net/ipv6/conf/${name}/accept_ra`,
  );
  const values = await Promise.all(
    // One by one: a link may go meanwhile, or have no IPv6.
    keys.map(async (key) => (await read(agent, [key]).catch(() => ['']))[0]),
  );
  const listening = keys.filter((_key, index) => values[index] === '1');
  if (listening.length > 0) {
    await write(agent, listening, '2');
    tell(`${listening.join(', ')} = 2: a host that forwards would forget its own IPv6 routers`);
  }
  await write(agent, [FORWARD6], '1');
  tell(`${FORWARD6} = 1: a network needs the host to forward IPv6; ${OTHERS}`);
}
