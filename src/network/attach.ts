// The kernel's side of a sandbox: its namespace and the endpoints in it, in as few round trips as
// the kernel allows. What somebody took away meanwhile (a bridge) is made again, once.
import { EngineError } from '#base/error.ts';
import { errnoName, OpError } from '#kernel/native/encode.ts';
import type { Op } from '#kernel/native/op.ts';
import { addAddress } from '#kernel/netlink/address.ts';
import { setLink } from '#kernel/netlink/link.ts';
import { isNetlinkError, type Step, type StepResult } from '#kernel/netlink/netlink.ts';
import { replaceRoute } from '#kernel/netlink/route.ts';
import { timesOf } from './account.ts';
import { type Core, type Socketed, socketsOf } from './core.ts';
import type { Endpoint, Sandbox } from './engine.ts';
import { parseEndpointSysctls } from './wish.ts';

/** As Docker: RFC 3927 and RFC 4291, 2.5.6. */
const LINK_LOCAL_BITS = { 4: 16, 6: 64 } as const;

/** BR_MAX_PORTS of the kernel, which counts from 1. */
const PORTS_PER_BRIDGE_MAX = 1023;
const EXFULL = '54';

/** B15 of the runtime's baseline: safe, because the network is the container's own. */
const SYSCTLS = [
  ['net/ipv4/ip_unprivileged_port_start', '0'],
  ['net/ipv4/ping_group_range', '0 2147483647'],
] as const;

const sysctl = (namespace: string, key: string, value: string): Op => ({
  op: 'netns_sysctl',
  namespace,
  key,
  value,
});

/**
 * What an interface that is made next starts with. It must not have an IPv6 address of its own
 * making on a network without IPv6; lo keeps ::1.
 */
function planDefaults(core: Core, namespace: string, endpoint: Endpoint): readonly Step[] {
  if (!core.hostHasIpv6) return [];
  const disabled = endpoint.ip6 === undefined && endpoint.wish.linkLocalIps.every(isFour);
  return [
    sysctl(namespace, 'net/ipv6/conf/default/disable_ipv6', disabled ? '1' : '0'),
    // Its routes are given by us; an advertisement could only come from another container.
    ...(endpoint.driver === 'bridge'
      ? [sysctl(namespace, 'net/ipv6/conf/default/accept_ra', '0')]
      : []),
  ];
}

const isFour = (ip: string): boolean => !ip.includes(':');

/** Everything of one endpoint, behind the namespace's own steps. */
function planSocket(core: Core, { network, plan }: Socketed): readonly Step[] {
  const { endpoint, namespace } = plan;
  const { index: link, wish } = endpoint;
  const local = wish.linkLocalIps.map((ip) =>
    addAddress({ link, cidr: `${ip}/${LINK_LOCAL_BITS[isFour(ip) ? 4 : 6]}`, noDad: true }),
  );
  return [
    ...planDefaults(core, namespace, endpoint),
    ...core.drivers[network.driver].planAttach(network, plan),
    ...(local.length === 0 ? [] : [{ namespace, messages: local }]),
    ...parseEndpointSysctls(wish.driverOpts, endpoint.interface).map(({ key, value }) =>
      sysctl(namespace, key, value),
    ),
  ];
}

/** `adopt`: of a process that is made already, whose sysctls its own plan sets. */
export function planNamespace(path: string, adopt: string | undefined): readonly Step[] {
  if (adopt !== undefined) return [{ op: 'netns_pin', path, namespace: adopt }];
  return [{ op: 'netns_create', path }, ...SYSCTLS.map(([key, value]) => sysctl(path, key, value))];
}

const planLoopback = (namespace: string): Step => ({
  namespace,
  messages: [setLink('lo', { up: true })],
});

/** Also for the account of a sandbox that is made. */
export function planSandbox(
  core: Core,
  sandbox: Sandbox,
  sockets: readonly Socketed[],
  adopt: string | undefined,
): readonly Step[] {
  return [
    ...planNamespace(sandbox.path, adopt),
    // Every endpoint brings lo up, too.
    ...(sockets.length === 0 ? [planLoopback(sandbox.path)] : []),
    ...sockets.flatMap((socket) => planSocket(core, socket)),
  ];
}

/**
 * The namespace with all its endpoints, and the nanoseconds of each step; takes away what it made
 * when it fails.
 */
export async function raise(
  core: Core,
  sandbox: Sandbox,
  sockets: readonly Socketed[],
  adopt: string | undefined,
): Promise<readonly number[]> {
  let times: readonly number[] = [];
  await withMending(core, sockets, {
    make: async () => {
      const steps = planSandbox(core, sandbox, sockets, adopt);
      times = timesOf(await perform(core, steps));
    },
    undo: async () => {
      // By hand: with the namespace they would go a moment later, and keep their names until then.
      for (const socket of sockets) await ignoreGone(pullOut(core, socket));
      await takeDown(core, sandbox, sockets);
    },
  });
  return times;
}

/** One round trip; a setting that a user gave and the kernel does not take is told as such. */
async function perform(core: Core, steps: readonly Step[]): Promise<readonly StepResult[]> {
  try {
    return await core.netlink.perform(steps);
  } catch (error) {
    const step = error instanceof OpError ? steps[error.result.index] : undefined;
    if (!(error instanceof OpError) || step === undefined || !('op' in step)) throw error;
    if (step.op !== 'netns_sysctl') throw error;
    const errno = errnoName(error.result.errno);
    throw new EngineError(
      'invalid_argument',
      `cannot set sysctl ${step.key} to ${JSON.stringify(step.value)} in the container: ${errno}`,
      { cause: error, facts: { errno } },
    );
  }
}

/** Makes something on networks; once more when one of them was taken away and is back. */
async function withMending(
  core: Core,
  sockets: readonly Socketed[],
  work: { readonly make: () => Promise<void>; readonly undo: () => Promise<void> },
): Promise<void> {
  const attempt = async (): Promise<unknown> => {
    try {
      await work.make();
      return undefined;
    } catch (error) {
      await work.undo().catch((second: unknown) => core.report('undo half an endpoint', second));
      return error;
    }
  };
  const before = sockets.map(({ network }) => core.activity.generation(network));
  const first = await attempt();
  if (first === undefined) return;
  let worthIt = isLeftOver(first);
  for (const [index, { network }] of sockets.entries()) {
    if (await core.activity.again(network)) await replug(core, network.id);
    // Also when another container found it missing, and was faster.
    worthIt ||= core.activity.generation(network) !== before[index];
  }
  const second = worthIt ? await attempt() : first;
  if (second !== undefined) throw explainFull(second, sockets);
}

/** br_add_if() of the kernel; Node has no name for its EXFULL. */
function explainFull(error: unknown, sockets: readonly Socketed[]): unknown {
  if (!isNetlinkError(error, EXFULL)) return error;
  const names = sockets.map(({ network }) => network.name).join(' or ');
  return new EngineError(
    'limit_exceeded',
    `network ${names} is full: a bridge of Linux has ${PORTS_PER_BRIDGE_MAX} ports; ` +
      'make another network',
    { cause: error },
  );
}

/** A pin that an agent left which died: undone by now. */
const isLeftOver = (error: unknown): boolean =>
  error instanceof OpError &&
  (error.result.op === 'netns_create' || error.result.op === 'netns_pin') &&
  errnoName(error.result.errno) === 'EEXIST';

/** The endpoints of other containers, after their bridge was made anew. */
export async function replug(core: Core, networkId: string): Promise<void> {
  for (const sandbox of core.sandboxes.list()) {
    for (const { network, plan } of socketsOf(core, sandbox)) {
      if (network.id !== networkId) continue;
      await core.netlink
        .perform(core.drivers[network.driver].planReplug(network, plan))
        .catch((error: unknown) => {
          if (!isGone(error)) core.report(`plug ${plan.endpoint.interface} in again`, error);
        });
    }
  }
}

/** What was to be taken away is not there, or the namespace that it was in. */
export const isGone = (error: unknown): boolean =>
  isNetlinkError(error, 'ENODEV') || (isNetlinkError(error, 'ENOENT') && error.index === -1);

/** Nothing passes any more, and the pin is gone; success whatever was there. */
export async function takeDown(
  core: Core,
  sandbox: Sandbox,
  sockets: readonly Socketed[],
): Promise<void> {
  const quiet = sockets.map(({ network, plan }) =>
    core.drivers[network.driver].planQuiesce(network, plan),
  );
  const unpin: Op = { op: 'netns_delete', path: sandbox.path };
  try {
    await core.netlink.perform([...quiet.flat(), unpin]);
  } catch (error) {
    if (!isGone(error)) throw error;
    for (const steps of quiet) await ignoreGone(core.netlink.perform(steps));
    await core.netlink.perform([unpin]);
  }
}

export async function ignoreGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** One more endpoint in a namespace that lives. */
export async function plugIn(core: Core, socket: Socketed): Promise<void> {
  await withMending(core, [socket], {
    make: async () => void (await perform(core, planSocket(core, socket))),
    undo: () => ignoreGone(pullOut(core, socket)),
  });
}

export async function pullOut(core: Core, { network, plan }: Socketed): Promise<void> {
  await core.netlink.perform(core.drivers[network.driver].planDetach(network, plan));
}

/** The default routes as the order of the endpoints wants them, in place of what there was. */
export function planRoutes(core: Core, sockets: readonly Socketed[]): readonly Step[] {
  return sockets.flatMap(({ network, plan }) => {
    const link = plan.endpoint.index;
    const routes = core.drivers[network.driver].routes(network, plan);
    if (routes.length === 0) return [];
    const messages = routes.map((route) => replaceRoute({ link, ...route }));
    return [{ namespace: plan.namespace, messages }];
  });
}
