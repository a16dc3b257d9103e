// Our own endpoints: what the kernel was asked to do to make a container.
import type { Explanation } from '#container/engine.ts';
import type { ExplainReply } from '#wire/explain.ts';
import { readSpec } from '../container/create.ts';
import { ref } from '../container/lifecycle.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import type { Route } from '../router.ts';
import { getCgroupSubsystems, getCgroupTree } from './cgroup.ts';
import { exploreImage } from './explore.ts';
import { explainNetwork } from './network.ts';
import { createSlice, inspectSlice, listSlices, removeSlice, updateSlice } from './slices.ts';
import { renderBranches } from './render-branches.ts';
import { SNAPSHOT_ROUTES } from './snapshots.ts';
import { VOLUME_COPY_ROUTES } from './volumes.ts';
import { changeContainerPorts, listContainerPorts } from './ports.ts';

async function explainContainer(exchange: Exchange): Promise<void> {
  const explanation = await exchange.deps.containers.explain(ref(exchange.params));
  sendJson(exchange, 200, renderExplanation(explanation));
}

async function clearContainerLogs(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.clearLogs(ref(exchange.params));
  sendEmpty(exchange, 204);
}

async function planContainer(exchange: Exchange): Promise<void> {
  const explanation = await exchange.deps.containers.plan((await readSpec(exchange)).spec);
  sendJson(exchange, 200, renderExplanation(explanation));
}

export function renderExplanation(explanation: Explanation): ExplainReply {
  return {
    Id: explanation.id,
    Name: explanation.name,
    Image: explanation.image,
    Groups: explanation.groups.map((group) => ({
      Name: group.name,
      Steps: group.steps.map((step) => ({
        Step: step.step,
        Op: step.op,
        Text: step.text,
        Why: step.why,
        Where: step.where,
        Nanoseconds: step.nanoseconds,
        Errno: step.errno,
      })),
    })),
    TotalNanoseconds: explanation.totalNanoseconds,
    ...(explanation.branches === undefined
      ? {}
      : { Branches: renderBranches(explanation.branches) }),
  };
}

export const CORACLE_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/coracle/containers/{id:.*}/explain', handler: explainContainer },
  { method: 'DELETE', path: '/coracle/containers/{id:.*}/logs', handler: clearContainerLogs },
  { method: 'GET', path: '/coracle/containers/{id:.*}/ports', handler: listContainerPorts },
  { method: 'POST', path: '/coracle/containers/{id:.*}/ports', handler: changeContainerPorts },
  { method: 'GET', path: '/coracle/images/{name:.*}/explore', handler: exploreImage },
  { method: 'GET', path: '/coracle/networks/{id:.*}/explain', handler: explainNetwork },
  { method: 'GET', path: '/coracle/cgroups/tree', handler: getCgroupTree },
  { method: 'GET', path: '/coracle/cgroups/subsystems', handler: getCgroupSubsystems },
  { method: 'GET', path: '/coracle/slices', handler: listSlices },
  { method: 'POST', path: '/coracle/slices', handler: createSlice },
  { method: 'GET', path: '/coracle/slices/{path:.*}', handler: inspectSlice },
  { method: 'PUT', path: '/coracle/slices/{path:.*}', handler: updateSlice },
  { method: 'DELETE', path: '/coracle/slices/{path:.*}', handler: removeSlice },
  ...SNAPSHOT_ROUTES,
  ...VOLUME_COPY_ROUTES,
  { method: 'POST', path: '/coracle/plan', handler: planContainer },
];
