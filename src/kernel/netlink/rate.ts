// Bandwidth limits of one endpoint as messages. Both directions are held on the host's side, where
// the container cannot reach them: what goes to it waits in the queue of the host's end of the veth
// pair, what comes from it is redirected to an ifb and waits in that one's queue.
import { addLink, deleteLink, getLink, setLink } from './link.ts';
import type { Message } from './message.ts';
import { redirectIngress } from './filter.ts';
import { deleteQdisc, HANDLE, type Qdisc, type Rate, setQdisc } from './traffic.ts';

const BITS_PER_BYTE = 8;
/** TCP's packets of 64 KiB (GSO) must fit in a burst, or each is cut into frames first. */
export const BURST_BYTES_MIN = 64 * 1024;
/** So much of a second may pass at once: a timer tick at HZ=100, so that a fast rate is reached. */
const BURST_SECONDS = 0.01;
/** How long a packet may wait before newer ones are dropped; room for TCP to find the rate. */
const WAIT_SECONDS_MAX = 0.05;
const QUEUE_BYTES_MIN = 128 * 1024;

/** A rate as users give it, in bits a second, with a burst of their own or one that fits it. */
export function rateOf(bitsPerSecond: number, burstBytes?: number): Rate {
  const bytesPerSecond = Math.max(1, Math.round(bitsPerSecond / BITS_PER_BYTE));
  const fitting = Math.max(BURST_BYTES_MIN, Math.ceil(bytesPerSecond * BURST_SECONDS));
  return { bytesPerSecond, burstBytes: burstBytes ?? fitting };
}

function bucket(rate: Rate): Qdisc {
  const waiting = Math.ceil(rate.bytesPerSecond * WAIT_SECONDS_MAX);
  const limitBytes = rate.burstBytes + Math.max(QUEUE_BYTES_MIN, waiting);
  return { kind: 'tbf', ...rate, limitBytes };
}

/** Limits what leaves by this interface; a second time changes the rate in place. */
export function limitEgress(link: number, rate: Rate): Message[] {
  return [setQdisc(link, bucket(rate))];
}

export function unlimitEgress(link: number): Message[] {
  return [deleteQdisc(link)];
}

/** First round of limiting what comes in: the ifb; the answer (a link) tells its index. */
export function addIfb(name: string): Message[] {
  return [
    addLink({ name, kind: { kind: 'ifb' } }),
    setLink(name, { up: true, linkLocal: 'none' }),
    getLink(name),
  ];
}

/** Second round: its queue, then the redirection, so that no packet passes unlimited. */
export function limitIngress(link: number, ifb: number, rate: Rate): Message[] {
  return [
    ...limitEgress(ifb, rate),
    setQdisc(link, { kind: 'ingress' }),
    redirectIngress(link, ifb),
  ];
}

/** Takes the redirection away, then the ifb. */
export function unlimitIngress(link: number, ifb: string): Message[] {
  return [deleteQdisc(link, HANDLE.INGRESS), deleteLink(ifb)];
}
