// All verbs together, as the port that api/ drives. Nothing is decided here: a verb is its own
// file.
import { getArchive, putArchive, statArchive } from './archive.ts';
import { attach } from './attach.ts';
import { clearLogs } from './clear-logs.ts';
import { changes } from './changes.ts';
import { commit, takeLayer } from './commit.ts';
import { connect, disconnect } from './connect.ts';
import { create } from './create.ts';
import type { Deps } from './deps.ts';
import type { ContainerEngine } from './engine.ts';
import { Execs, execCreate, execResize, execStart } from './exec.ts';
import { explain, plan } from './explain.ts';
import { exportRoot } from './export.ts';
import { inspect, list } from './inspect.ts';
import { kill } from './kill.ts';
import { logs } from './logs.ts';
import { pause, unpause } from './pause.ts';
import { changePorts, portTraffic } from './ports.ts';
import { prune } from './prune.ts';
import { remove } from './remove.ts';
import { rename } from './rename.ts';
import { resize } from './resize.ts';
import { restart } from './restart.ts';
import { sizes } from './sizes.ts';
import { inspectSnapshot, removeSnapshot, rollback, snapshot, snapshots } from './snapshot.ts';
import { start } from './start.ts';
import { statsOnce, watchStats } from './stats.ts';
import { stop } from './stop.ts';
import { top } from './top.ts';
import { update } from './update.ts';
import { wait } from './wait.ts';

export function createContainerEngine(base: Deps): ContainerEngine {
  const deps = { ...base, execs: new Execs() };
  return {
    create: (spec) => create(deps, spec),
    plan: (spec) => plan(deps, spec),
    explain: (ref) => explain(deps, ref),
    start: (ref) => start(deps, ref),
    stop: (ref, options) => stop(deps, ref, options),
    restart: (ref, options) => restart(deps, ref, options),
    kill: (ref, signal) => kill(deps, ref, signal),
    pause: (ref) => pause(deps, ref),
    unpause: (ref) => unpause(deps, ref),
    rename: (ref, name) => rename(deps, ref, name),
    remove: (ref, options) => remove(deps, ref, options),
    resize: (ref, size) => resize(deps, ref, size),
    update: (ref, change) => update(deps, ref, change),
    connect: (ref, wish) => connect(deps, ref, wish),
    disconnect: (ref, network, options) => disconnect(deps, ref, network, options),
    changePorts: (ref, change) => changePorts(deps, ref, change),
    ports: (ref) => portTraffic(deps, ref),
    wait: async (ref, condition, signal) => wait(deps, ref, condition, signal),
    attach: (ref, wish, signal) => attach(deps, ref, wish, signal),
    logs: async (ref, wish, signal) => logs(deps, ref, wish, signal),
    clearLogs: (ref) => clearLogs(deps, ref),
    watchStats: (ref, signal, tell) => watchStats(deps, ref, signal, tell),
    statsOnce: (ref, wish, signal) => statsOnce(deps, ref, wish, signal),
    top: (ref, psArgs) => top(deps, ref, psArgs),
    prune: (filters) => prune(deps, filters),
    execCreate: (ref, spec) => execCreate(deps, ref, spec),
    execStart: (id, options, signal) => execStart(deps, id, options, signal),
    execResize: (id, size) => execResize(deps, id, size),
    execInspect: (id) => deps.execs.get(id).view(),
    changes: (ref) => changes(deps, ref),
    export: (ref) => exportRoot(deps, ref),
    commit: (ref, wish) => commit(deps, ref, wish),
    snapshot: (ref, name) => snapshot(deps, ref, name),
    snapshots: async (ref) => snapshots(deps, ref),
    inspectSnapshot: (ref, name) => inspectSnapshot(deps, ref, name),
    removeSnapshot: (ref, name) => removeSnapshot(deps, ref, name),
    rollback: (ref, name) => rollback(deps, ref, name),
    takeLayer: (ref, take, change) => takeLayer(deps, deps.store.get(ref), take, change),
    statArchive: (ref, path) => statArchive(deps, ref, path),
    getArchive: (ref, path) => getArchive(deps, ref, path),
    putArchive: (ref, path, body, wish) => putArchive(deps, ref, path, body, wish),
    inspect: (ref) => inspect(deps, ref),
    list: () => list(deps),
    sizes: (ref) => sizes(deps, ref),
  };
}
