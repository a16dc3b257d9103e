// Ours: GET /coracle/cgroups/tree and /coracle/cgroups/subsystems. What the kernel keeps for us,
// and what it could keep.
import type * as Wire from '#wire/cgroup.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import type { CgroupNode } from './cgroup-port.ts';

export async function getCgroupTree(exchange: Exchange): Promise<void> {
  const { containers, cgroups } = exchange.deps;
  const names = new Map(containers.list().map(({ id, name }) => [id, name]));
  const tree = await cgroups.tree();
  const reply: Wire.CgroupTree = {
    Hierarchies: tree.map(({ version, controllers, mountpoint, root }) => ({
      Version: version,
      Controllers: controllers,
      Mountpoint: mountpoint,
      Cgroup: root === undefined ? null : renderNode(root, names),
    })),
  };
  sendJson(exchange, 200, reply);
}

function renderNode(node: CgroupNode, names: ReadonlyMap<string, string>): Wire.CgroupNode {
  // The id itself, or "coracle-ID.scope".
  const [id = node.name] = /[0-9a-f]{64}/.exec(node.name) ?? [];
  const container = names.get(id);
  return {
    Name: node.name,
    Path: node.path,
    Container: container === undefined ? null : { Id: id, Name: container },
    Usage: node.gauges.map(({ name, unit, used, limit }) => ({
      Name: name,
      Unit: unit,
      Used: used,
      Limit: limit,
    })),
    Processes: node.processes.map(({ pid, name }) => ({ Pid: pid, Name: name })),
    Children: node.children.map((child) => renderNode(child, names)),
  };
}

export function getCgroupSubsystems(exchange: Exchange): void {
  const reply: Wire.CgroupSubsystems = {
    Subsystems: exchange.deps.cgroups.subsystems().map((each) => ({
      Name: each.name,
      What: each.what,
      Version: each.version ?? null,
      Mountpoint: each.mountpoint ?? null,
      Mounted: each.mounted,
      Cgroups: each.cgroups ?? null,
      Options: each.options.map(({ option, files, missing }) => ({
        Option: option,
        Files: files,
        Missing: missing ?? null,
      })),
    })),
  };
  sendJson(exchange, 200, reply);
}
