// Who performs --net-rate: token buckets on the container's interfaces. A veth pair is held on the
// host's side, where the container cannot reach it; a macvlan or ipvlan has none, so that its
// limits are inside, where a container with NET_ADMIN could lift them.
import { EngineError } from '#base/error.ts';
import { redirectIngress } from '#kernel/netlink/filter.ts';
import { deleteLink } from '#kernel/netlink/link.ts';
import { decodeLinks, type LinkState } from '#kernel/netlink/link-state.ts';
import type { Message } from '#kernel/netlink/message.ts';
import { isNetlinkError, type Netlink } from '#kernel/netlink/netlink.ts';
import { addIfb, limitEgress, rateOf, unlimitEgress } from '#kernel/netlink/rate.ts';
import { deleteQdisc, HANDLE, setQdisc } from '#kernel/netlink/traffic.ts';
import type { Endpoint, NetworkRate } from './engine.ts';
import type { Plug, RatePart } from './parts.ts';

type Limit = NetworkRate['in'];

/** Where the queues of an endpoint are. */
type Place = {
  /** "" = the host's namespace. */
  readonly namespace: string;
  readonly link: string;
  /** What is redirected to it waits in its queue. */
  readonly ifb: string;
  /** What the container receives leaves by this interface (its host's end), or enters by it. */
  readonly towards: 'egress' | 'ingress';
};

const IFB_ID_DIGITS = 12;
const ETHERNET_HEADER_BYTES = 14;
/** What is not there any more, in the words of links and of qdiscs. */
const GONE = ['ENODEV', 'ENOENT', 'EINVAL'];

function placeOf(namespace: string, endpoint: Endpoint): Place {
  const { hostInterface, id, index } = endpoint;
  if (hostInterface !== undefined) {
    const ifb = `ci${id.slice(0, IFB_ID_DIGITS)}`;
    return { namespace: '', link: hostInterface, ifb, towards: 'egress' };
  }
  return { namespace, link: endpoint.interface, ifb: `ifb${index}`, towards: 'ingress' };
}

export class Rates implements RatePart {
  readonly #netlink: Netlink;

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  async apply(namespace: string, { endpoint }: Plug, rate: NetworkRate | undefined): Promise<void> {
    if (endpoint.driver === 'host' || endpoint.driver === 'null') return;
    const place = placeOf(namespace, endpoint);
    const link = await this.#netlink.link(place.namespace, place.link);
    if (link === undefined) {
      throw new EngineError(
        'conflict',
        `cannot limit ${endpoint.interface} on network ${endpoint.networkName}: ` +
          `its interface ${place.link} is gone`,
      );
    }
    const [egress, ingress] =
      place.towards === 'egress' ? [rate?.in, rate?.out] : [rate?.out, rate?.in];
    await this.#egress(place, link, egress);
    await this.#ingress(place, link, ingress);
  }

  async remove(namespace: string, { endpoint }: Plug): Promise<void> {
    const place = placeOf(namespace, endpoint);
    await this.#tolerate(place.namespace, [deleteLink(place.ifb)]);
  }

  async #egress({ namespace }: Place, link: LinkState, limit: Limit): Promise<void> {
    if (limit === undefined) await this.#tolerate(namespace, unlimitEgress(link.index));
    else await this.#netlink.exchange(namespace, limitEgress(link.index, bucketOf(limit, link)));
  }

  async #ingress(place: Place, link: LinkState, limit: Limit): Promise<void> {
    const { namespace, ifb } = place;
    const there = await this.#netlink.link(namespace, ifb);
    if (limit === undefined) {
      if (there === undefined) return;
      await this.#tolerate(namespace, [deleteQdisc(link.index, HANDLE.INGRESS)]);
      await this.#tolerate(namespace, [deleteLink(ifb)]);
      return;
    }
    const bucket = bucketOf(limit, link);
    const made = there ?? decodeLinks(await this.#netlink.exchange(namespace, addIfb(ifb)))[0];
    if (made === undefined) throw new EngineError('internal', 'the kernel made no ifb');
    try {
      await this.#netlink.exchange(namespace, [
        ...limitEgress(made.index, bucket),
        setQdisc(link.index, { kind: 'ingress' }),
      ]);
      // Only then: what is redirected to a queue that is not there yet would not be held back.
      await this.#tolerate(namespace, [redirectIngress(link.index, made.index)], ['EEXIST']);
    } catch (error) {
      if (there === undefined) await this.#tolerate(namespace, [deleteLink(ifb)]);
      throw error;
    }
  }

  async #tolerate(
    namespace: string,
    messages: readonly Message[],
    errnos: readonly string[] = GONE,
  ): Promise<void> {
    try {
      await this.#netlink.exchange(namespace, messages);
    } catch (error) {
      if (!isNetlinkError(error, ...errnos)) throw error;
    }
  }
}

function bucketOf(limit: NonNullable<Limit>, link: LinkState): ReturnType<typeof rateOf> {
  const rate = rateOf(limit.bitsPerSecond, limit.burstBytes);
  const frame = link.mtu + ETHERNET_HEADER_BYTES;
  if (rate.burstBytes >= frame) return rate;
  throw new EngineError(
    'invalid_argument',
    `invalid network burst of ${rate.burstBytes} bytes: no packet of ${link.name} would pass, ` +
      `whose MTU is ${link.mtu}; give at least ${frame} bytes`,
  );
}
