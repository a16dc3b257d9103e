// create: check, merge, name, prepare the writable top, store the record. Nothing runs yet.
import { existsSync } from 'node:fs';
import { now } from '#base/clock.ts';
import { EngineError } from '#base/error.ts';
import { type ContainerId, newId, shortId } from '#base/id.ts';
import { Undo } from '#base/undo.ts';
import { type NetworkMode, parseNetworkMode } from '#network/mode.ts';
import { checkDns, checkDnsName } from '#network/names/check.ts';
import { parseExtraHost } from '#network/names/hosts.ts';
import { prepareAhead } from './ahead.ts';
import { checkConfig, checkHost } from './check.ts';
import type { Deps } from './deps.ts';
import { checkDevices } from './device.ts';
import type { CreateAnswer } from './engine.ts';
import { checkNetworking, checkTogether, settleNetworking } from './endpoint.ts';
import { publish } from './event.ts';
import { settleLinks } from './link.ts';
import { parseLogConfig } from './log-config.ts';
import { checkLog } from './log-plan.ts';
import { withDefaults } from './host-default.ts';
import { hostnameOf, mergeConfig } from './merge.ts';
import { planMounts } from './mount-point.ts';
import { generateName, NAME_TRIES_MAX, parseName } from './name.ts';
import { settleJoins } from './namespace.ts';
import { networkFinder } from './network.ts';
import { checkPlatform } from './platform.ts';
import type { Image } from './port.ts';
import { portWishes } from './publish.ts';
import { type ContainerRecord, RECORD_VERSION } from './record.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import { rootSize } from './root-size.ts';
import { parseSecurityOpt } from './security.ts';
import { inheritedMounts, type MountsWanted, settleMounts } from './settle-mounts.ts';
import { parseSignal } from './signal.ts';
import { checkSlice } from './slice.ts';
import type { ContainerSpec, HostConfig } from './spec.ts';
import { parseUsernsMode } from './userns.ts';

export async function create(deps: Deps, asked: ContainerSpec): Promise<CreateAnswer> {
  const wish = { ...asked, host: withDefaults(asked.host, deps.settings.hostDefaults) };
  using _slice = deps.slices.hold(deps.slices.place(wish.host));
  const { warnings } = checkSpec(deps, wish);
  const spec = {
    ...wish,
    host: settleJoins(withWholeMode(deps, wish.host), (ref) => idOf(deps, ref)),
    networking: settleNetworking(wish, networkFinder(deps)),
  };
  const links = settleLinks(deps, wish.host);
  const id = newId();
  await using undo = new Undo(deps.report);
  const name = reserveName(deps, spec.name, id);
  undo.add('release the name', () => deps.store.release(name, id));
  const image = await deps.images.resolve(spec.config.image);
  const foreign = checkPlatform(spec, image);
  const draft = draftRecord(deps, spec, id, name, image);
  checkLog(draft.record, deps.settings);
  const ahead = prepareAhead(deps, draft.record, draft.wanted);
  undo.add('end the launch ahead', () => ahead?.cancel());
  deps.store.prepare(id);
  undo.add('remove the directory', () => deps.store.remove(id, { durable: false }));
  using reserved = new DisposableStack();
  const mounts = await settleMounts(deps, draft.wanted, { undo, reserved });
  const userns = await settleUserns(deps, spec);
  await deps.snapshots.prepare(id, image.chain, rootSize(spec.host));
  undo.add('remove the snapshot', () => deps.snapshots.remove(id));
  const record: ContainerRecord = { ...draft.record, mounts, userns, links };
  ahead?.begin(record);
  await deps.store.put(record, { durable: !spec.host.autoRemove });
  undo.commit();
  publish(deps, record, 'create');
  ahead?.settle(record);
  return { id, warnings: [...warnings, ...foreign] };
}

/** A network that is named by the beginning of its id is shown by all of it, as dockerd does. */
function withWholeMode(deps: Pick<Deps, 'networks'>, host: HostConfig): HostConfig {
  const record = networkFinder(deps)(host.networkMode);
  if (record === undefined || record.name === host.networkMode) return host;
  return { ...host, networkMode: record.id };
}

/** 400 as in Docker: a client takes 404 here for a missing image. */
function idOf(deps: Pick<Deps, 'store'>, ref: string): string {
  const found = deps.store.find(ref);
  if (found !== undefined) return found.id;
  throw new EngineError('invalid_argument', `No such container: ${ref}`);
}

/** All that can be refused without looking at the image. */
export function checkSpec(
  deps: Pick<Deps, 'settings' | 'resources' | 'networks' | 'slices'>,
  spec: ContainerSpec,
): { readonly warnings: readonly string[] } {
  const { config, host } = spec;
  const network = parseNetworkMode(host.networkMode, deps.settings.noBridge);
  checkConfig(config);
  checkNetwork(deps, spec, network);
  checkHost(host, network);
  checkRestartPolicy(host.restartPolicy, host.autoRemove);
  checkDevices(host);
  parseSecurityOpt(host.securityOpt, deps.settings.security);
  parseLogConfig(host.logConfig, deps.settings.logConfig);
  for (const entry of host.extraHosts) parseExtraHost(entry);
  if (config.stopSignal !== undefined && config.stopSignal !== '') parseSignal(config.stopSignal);
  const runtime = host.runtime === '' ? deps.settings.defaultRuntime : host.runtime;
  if (!deps.settings.runtimes.includes(runtime)) {
    throw new EngineError('invalid_argument', `unknown or invalid runtime name: ${runtime}`);
  }
  if (host.slice !== '' && host.cgroupParent !== '') {
    const why = 'a container is in a slice or in another cgroup, not in both';
    throw new EngineError(
      'invalid_argument',
      `conflicting options: Slice and CgroupParent: ${why}`,
    );
  }
  const warnings = [...deps.resources.check(host, 'skip').warnings, ...checkSlice(deps, host)];
  const published = Object.keys(host.portBindings).length > 0 || host.publishAllPorts;
  if (!published || network.mode !== 'host') return { warnings };
  const why = 'Published ports are discarded when using host network mode';
  return { warnings: [...warnings, why] };
}

function checkNetwork(deps: Pick<Deps, 'networks'>, spec: ContainerSpec, mode: NetworkMode): void {
  const { config, host } = spec;
  const find = networkFinder(deps);
  checkNetworking(spec.networking, find);
  checkTogether(Object.keys(settleNetworking(spec, find)), mode);
  if (config.hostname !== '') checkDnsName('hostname', config.hostname);
  if (config.domainname !== '') checkDnsName('domain name', config.domainname);
  checkDns({ servers: host.dns, search: host.dnsSearch, options: host.dnsOptions });
  portWishes(config.exposedPorts, host);
}

/** The record without what has to be made: mounts and user ids. */
export function draftRecord(
  deps: Pick<Deps, 'settings' | 'store'>,
  spec: ContainerSpec,
  id: string,
  name: string,
  image: Image,
): { readonly record: ContainerRecord; readonly wanted: MountsWanted } {
  const merged = mergeConfig(spec.config, image.config);
  const hostname = hostnameOf(id, spec.config, spec.host, deps.settings.hostHostname);
  const inherited = inheritedMounts(deps, spec.host);
  const mapped = parseUsernsMode(spec.host.usernsMode).mode !== 'host';
  const taken = inherited.map(({ destination }) => destination);
  const wishes = planMounts(spec.host, merged.volumes, existsSync, taken);
  return {
    wanted: { id, wishes, inherited, chain: image.chain, mapped },
    record: {
      version: RECORD_VERSION,
      id: id as ContainerId,
      name,
      createdAt: now(),
      spec,
      merged: { ...merged, hostname },
      image: { id: image.id, name: image.name, chain: image.chain },
      platform: image.platform,
      mounts: [],
      userns: undefined,
      state: { status: 'created' },
      restartCount: 0,
      manuallyStopped: false,
      hasRun: false,
      startError: undefined,
    },
  };
}

function reserveName(deps: Pick<Deps, 'store'>, wish: string | undefined, id: string): string {
  if (wish !== undefined && wish !== '') {
    const name = parseName(wish);
    deps.store.reserve(name, id);
    return name;
  }
  for (let attempt = 0; attempt < NAME_TRIES_MAX; attempt += 1) {
    const name = generateName(attempt);
    if (deps.store.nameTaken(name)) continue;
    deps.store.reserve(name, id);
    return name;
  }
  deps.store.reserve(shortId(id), id);
  return shortId(id);
}

async function settleUserns(
  deps: Pick<Deps, 'store' | 'usernsRanges'>,
  spec: ContainerSpec,
): Promise<ContainerRecord['userns']> {
  const mode = parseUsernsMode(spec.host.usernsMode);
  if (mode.mode === 'host') return undefined;
  if (mode.mode === 'map') {
    return { mappings: [{ inside: 0, outside: mode.outside, count: mode.count }] };
  }
  const used = () => deps.store.list().flatMap((record) => record.userns?.mappings ?? []);
  return { mappings: [await deps.usernsRanges.allocate(used)] };
}
