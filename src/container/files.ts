// The three files that a container gets of its own: hosts, hostname, resolv.conf. They are written
// anew at every start, as dockerd does; what changes while it runs is changed inside the text.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Endpoint, Sandbox } from '#network/engine.ts';
import {
  changeHosts,
  type HostsLink,
  hostsText,
  linkLines,
  ownLines,
  parseExtraHost,
} from '#network/names/hosts.ts';
import type { Deps } from './deps.ts';
import type { LinkEffects } from './link.ts';
import { pathsOf } from './make-box.ts';
import { dnsOf, type NetworkSource } from './network.ts';
import type { ContainerRecord } from './record.ts';

const FILE_MODE = { mode: 0o644 };

type FileDeps = Pick<Deps, 'store' | 'networks'>;

/** Before the process; a container that joins another one's network has that one's files. */
export async function writeOwnFiles(
  deps: FileDeps,
  record: ContainerRecord,
  network: {
    readonly source: NetworkSource;
    readonly sandbox: Sandbox | undefined;
    readonly links: LinkEffects;
  },
): Promise<void> {
  if (network.source.kind === 'join') return;
  const { host } = record.spec;
  const paths = pathsOf(deps.store.directory(record.id), record.id);
  const { sandbox } = network;
  const isHost = network.source.kind === 'host';
  const resolvConf = sandbox?.resolvConf ?? deps.networks.plainResolvConf(dnsOf(host), isHost);
  const hosts = hostsText({
    ...ownHost(record, sandbox?.endpoints ?? []),
    extraHosts: host.extraHosts.map(parseExtraHost),
    links: network.links.hosts,
    hostGateway: deps.networks.hostGateways(),
    // A container on the host's network sees the names that the host sees.
    ...(isHost ? { base: await readHostHosts() } : {}),
    ipv6: host.sysctls['net.ipv6.conf.all.disable_ipv6'] !== '1',
  });
  // Written in place: a bind of an older run may still hold the file's inode.
  writeFileSync(paths.hosts, hosts, FILE_MODE);
  writeFileSync(paths.hostname, `${record.merged.hostname}\n`, FILE_MODE);
  writeFileSync(paths.resolvConf, resolvConf, FILE_MODE);
}

/** A network was connected or disconnected while it runs. */
export function changeOwnFiles(
  deps: Pick<Deps, 'store'>,
  record: ContainerRecord,
  before: Sandbox | undefined,
  sandbox: Sandbox,
): void {
  const paths = pathsOf(deps.store.directory(record.id), record.id);
  const was = ownLines(ownHost(record, before?.endpoints ?? []));
  const is = ownLines(ownHost(record, sandbox.endpoints));
  changeText(paths.hosts, (text) =>
    changeHosts(text, {
      remove: was.filter((line) => !is.includes(line)),
      add: is.filter((line) => !was.includes(line)),
    }),
  );
  // What somebody inside has written is theirs.
  changeText(paths.resolvConf, (text) =>
    before === undefined || text === before.resolvConf ? sandbox.resolvConf : text,
  );
}

/** A container that others are linked to has started with new addresses. */
export function changeLinkedHosts(
  deps: Pick<Deps, 'store'>,
  parent: ContainerRecord,
  link: HostsLink,
): void {
  const { hosts } = pathsOf(deps.store.directory(parent.id), parent.id);
  changeText(hosts, (text) => {
    const remove = text.split('\n').filter((line) => line.split(/\s+/)[1] === link.alias);
    return changeHosts(text, { remove, add: linkLines(link) });
  });
}

/** The container writes into these files, too: one that it has made larger is left to it. */
const FILE_BYTES_MAX = 1024 * 1024;

function changeText(path: string, change: (text: string) => string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > FILE_BYTES_MAX) return;
  const before = size === 0 ? '' : readFileSync(path, 'utf8');
  const after = change(before);
  if (after !== before) writeFileSync(path, after, FILE_MODE);
}

function ownHost(record: ContainerRecord, endpoints: readonly Endpoint[]) {
  return {
    hostname: record.merged.hostname,
    domainname: record.spec.config.domainname,
    addresses: endpoints.flatMap(({ ip, ip6 }) => [ip, ip6]).filter((each) => each !== undefined),
  };
}

async function readHostHosts(): Promise<string> {
  return readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1\tlocalhost');
}
