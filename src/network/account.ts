// What the kernel was asked for to make the sandbox of a container, for `explain`. The steps follow
// again from the sandbox, so that only their times are kept, and only while this daemon runs.
import { formatBurst, formatRate } from '#base/net-rate.ts';
import { type Message, RTM } from '#kernel/netlink/message.ts';
import type { Step, StepResult } from '#kernel/netlink/netlink.ts';
import type { AccountStep, NetworkRate, PortBinding, Sandbox } from './engine.ts';

/** Nanoseconds; of a part that had nothing to do, nothing. */
export type AccountTimes = {
  /** Of the namespace and its endpoints, in the order of the plan. */
  readonly steps: readonly number[];
  readonly ports?: number;
  readonly names?: number;
  readonly rate?: number;
};

/** Takes the time of one part. */
export async function timed<T>(work: Promise<T>): Promise<readonly [T, number]> {
  const start = process.hrtime.bigint();
  const value = await work;
  return [value, Number(process.hrtime.bigint() - start)];
}

export const timesOf = (results: readonly StepResult[]): readonly number[] =>
  results.map(({ nanoseconds }) => nanoseconds);

/**
 * `steps` is the plan of the sandbox as it is; where its endpoints have changed since it was made,
 * there are no times for it.
 */
export function accountOf(
  sandbox: Sandbox,
  steps: readonly Step[],
  hasNames: boolean,
  times: AccountTimes | undefined,
): readonly AccountStep[] {
  const known = times?.steps.length === steps.length ? times.steps : [];
  return [
    ...steps.flatMap((step, index) => stepsOf(step, known[index] ?? null)),
    ...portSteps(sandbox.ports, times?.ports ?? null),
    ...(hasNames ? [nameStep(times?.names ?? null)] : []),
    ...rateSteps(sandbox.rate, times?.rate ?? null),
  ];
}

function stepsOf(step: Step, nanoseconds: number | null): readonly AccountStep[] {
  if (!('op' in step)) {
    const where = step.namespace === '' ? 'agent, on the host' : 'agent, inside';
    // One answer of the kernel's for the batch: its time stands with the first message.
    return step.messages.map((message, index) => ({
      op: 'netlink',
      text: messageText(message),
      why: messageWhy(message, step.messages[index + 1]),
      where,
      nanoseconds: index === 0 ? nanoseconds : null,
    }));
  }
  const one = (text: string, why: string): readonly AccountStep[] => [
    { op: step.op, text, why, where: 'agent', nanoseconds },
  ];
  switch (step.op) {
    case 'netns_create':
      return one(`unshare(CLONE_NEWNET); mount(its nsfs, "${step.path}", MS_BIND)`, NAMESPACE);
    case 'netns_pin':
      return one(`mount("${step.namespace}", "${step.path}", MS_BIND)`, ADOPTED);
    case 'netns_sysctl':
      return one(`write("/proc/sys/${step.key}", "${step.value}")`, sysctlWhy(step.key));
    default:
      return one(step.op, '');
  }
}

const NAMESPACE = 'A network of its own, held by a mount, so that it is there before any process.';
const ADOPTED = 'The network of the process, which its user namespace owns, held by a mount.';

function sysctlWhy(key: string): string {
  if (key.endsWith('ip_unprivileged_port_start')) return 'Anybody inside may listen on any port.';
  if (key.endsWith('ping_group_range')) return 'Anybody inside may ping.';
  if (key.endsWith('accept_ra')) return 'No neighbour can give it routes.';
  if (key.endsWith('disable_ipv6')) return 'IPv6 only where the network has it.';
  return 'A setting of this network only.';
}

const TYPE_NAMES = new Map<number, string>(
  Object.entries(RTM).map(([name, type]) => [type, `RTM_${name}`]),
);

/** "RTM_NEWADDR: add address 172.18.0.2/16, link 16" */
function messageText({ type, what, on }: Message): string {
  return `${TYPE_NAMES.get(type) ?? type}: ${what}${on === '' ? '' : `, ${on}`}`;
}

const MESSAGE_REASONS: readonly (readonly [RegExp, string])[] = [
  [/^add veth/, 'Two interfaces that are one cable: one end inside, the other on the host.'],
  [/^add (mac|ip)vlan/, 'An interface on top of one of the host.'],
  [/^(move|rename) link/, 'Goes into the container under its final name.'],
  [/^add address/, 'The address that was taken from the subnet.'],
  [/^add .*default/, 'The way out: everything that is not a neighbour goes to the gateway.'],
  [/^add .*route/, 'A way to others.'],
  [/^set bridge port/, 'hairpin: it may reach itself by its published port.'],
  [/^get link/, "What the host's end has become."],
];

function messageWhy({ what, on }: Message, next: Message | undefined): string {
  if (what === 'set link') {
    if (on === 'lo') return 'Its loopback interface.';
    // As planVeth() has it: into the bridge, the flags of the port, and only then up.
    const isFirst = next?.what.startsWith('set ') === true;
    return isFirst ? 'Plugged into the bridge of its network.' : 'Up: from here on frames pass.';
  }
  return MESSAGE_REASONS.find(([pattern]) => pattern.test(what))?.[1] ?? '';
}

function portSteps(ports: readonly PortBinding[], nanoseconds: number | null): AccountStep[] {
  const host = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip);
  return ports.map(({ protocol, hostIp, hostPort, port }, index) => ({
    op: 'port',
    text: `publish ${host(hostIp)}:${hostPort} -> ${port}/${protocol}`,
    why: "A bound socket keeps the host's port from others; the firewall leads it here (DNAT).",
    where: 'daemon',
    nanoseconds: index === 0 ? nanoseconds : null,
  }));
}

function nameStep(nanoseconds: number | null): AccountStep {
  return {
    op: 'names',
    text: 'listen on 127.0.0.11:53 inside',
    why: 'Its resolver: a small relay that outlives the daemon holds the socket.',
    where: 'relay',
    nanoseconds,
  };
}

function rateSteps(rate: NetworkRate | undefined, nanoseconds: number | null): AccountStep[] {
  const limits = (['in', 'out'] as const).flatMap((direction) => {
    const limit = rate?.[direction];
    if (limit === undefined) return [];
    const burst = limit.burstBytes === undefined ? '' : ` burst ${formatBurst(limit.burstBytes)}`;
    return [`tc: ${direction} ${formatRate(limit.bitsPerSecond)}${burst}`];
  });
  return limits.map((text, index) => ({
    op: 'rate',
    text,
    why: 'A token bucket: what is more waits.',
    where: 'agent',
    nanoseconds: index === 0 ? nanoseconds : null,
  }));
}
