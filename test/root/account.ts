// What an engine holds on the machine at one moment: descriptors, memory, mounts, cgroups,
// processes, files, links, addresses and firewall rules. Two accounts that are equal mean that
// nothing leaked in between.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { PrivateEngine } from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';

export type Account = {
  readonly daemonDescriptors: number;
  readonly agentDescriptors: number;
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly processes: readonly string[];
  readonly files: readonly string[];
  /** Of the network namespace that is its host. */
  readonly network: readonly string[];
  readonly residentKiB: number;
};

function lines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return []; // A process that ended while we looked.
  }
}

function links(folder: string): readonly string[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      try {
        return [readlinkSync(join(folder, name))];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

function pids(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/**
 * Processes that hold something below the folder: monitors, agents, and what runs in containers.
 */
export function processesOf(engine: { readonly directory: string }): readonly string[] {
  const socketInodes = new Set(
    lines('/proc/net/unix')
      .filter((line) => line.includes(engine.directory))
      .map((line) => `socket:[${line.trim().split(/\s+/)[6]}]`),
  );
  return pids().flatMap((pid) => {
    const held = [...links(`/proc/${pid}/fd`), ...links(`/proc/${pid}`)];
    const mine = held.some((link) => link.startsWith(engine.directory) || socketInodes.has(link));
    const named = lines(`/proc/${pid}/cgroup`)
      .join('\n')
      .includes(`/${engine.directory.split('/').at(-1)}`);
    if (!mine && !named) return [];
    return pid === process.pid ? [] : [`${pid} ${lines(`/proc/${pid}/comm`)[0] ?? ''}`];
  });
}

/** All but what lies inside the images' layers, which nothing may touch and nobody reads here. */
function filesBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true })
      .map(String)
      .filter((path) => !/^layers\/[^/]+\/diff\//.test(path))
      .toSorted();
  } catch {
    return [];
  }
}

function childrenOf(pid: number): readonly number[] {
  return (lines(`/proc/${pid}/task/${pid}/children`)[0] ?? '')
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

/** Links, addresses, routes and rules; without what counts and what only has an order. */
function networkOf(namespace: string): readonly string[] {
  const inside = (...argv: readonly string[]): readonly string[] =>
    execFileSync('nsenter', [`--net=${namespace}`, ...argv], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  return [
    ...inside('ip', '-o', 'addr').map((line) => line.replace(/^\d+: /, '')),
    ...inside('ip', '-o', 'link').map((line) => line.replace(/^\d+: (\S+).*$/, 'link $1')),
    // A bridge says a moment later that no port of it runs.
    ...inside('ip', 'route').map((line) => line.replace(/ linkdown$/, '')),
    ...inside('nft', '-s', 'list', 'ruleset'),
  ];
}

export function takeAccount(engine: PrivateEngine): Account {
  const mountinfo = [engine.pid, ...childrenOf(engine.pid), process.pid].flatMap((pid) =>
    lines(`/proc/${pid}/mountinfo`).filter((line) => line.includes(engine.directory)),
  );
  const status = lines(`/proc/${engine.pid}/status`).find((line) => line.startsWith('VmRSS')) ?? '';
  return {
    daemonDescriptors: links(`/proc/${engine.pid}/fd`).length,
    agentDescriptors: childrenOf(engine.pid).reduce(
      (sum, pid) => sum + links(`/proc/${pid}/fd`).length,
      0,
    ),
    // Agents, relays and the daemon see the same ones.
    mounts: [...new Set(mountinfo)],
    cgroups: cgroupsOf(engine.directory),
    processes: processesOf(engine).filter((each) => !each.startsWith(`${engine.pid} `)),
    files: [
      ...filesBelow(join(engine.directory, 'data')),
      ...filesBelow(join(engine.directory, 'run')),
    ],
    network: networkOf(engine.namespace),
    residentKiB: Number(/\d+/.exec(status)?.[0] ?? 0),
  };
}

/** What the second account has more or less than the first, in words; empty when nothing leaked. */
export function differences(before: Account, after: Account): readonly string[] {
  const name = (text: string): string => text.replace(/^\d+ /, ''); // pids differ, names must not
  return (['mounts', 'cgroups', 'processes', 'files', 'network'] as const).flatMap((kind) => {
    const counts = new Map<string, number>();
    for (const each of after[kind]) counts.set(name(each), (counts.get(name(each)) ?? 0) + 1);
    for (const each of before[kind]) counts.set(name(each), (counts.get(name(each)) ?? 0) - 1);
    return [...counts].flatMap(([what, count]) =>
      count === 0 ? [] : [`${kind}: ${count > 0 ? '+' : ''}${count} ${what}`],
    );
  });
}
