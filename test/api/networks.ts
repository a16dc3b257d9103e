// A NetworkEngine that records what it is asked and answers from a list of views.
import { EngineError } from '#base/error.ts';
import type { NetworkEngine, NetworkRecord, NetworkView, Sandbox } from '#network/engine.ts';
import type { Call } from './engine.ts';

export function networkRecord(name: string, more: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    version: 1,
    id: name.charCodeAt(0).toString(16).repeat(32),
    name,
    createdAt: 1_767_323_045_600_000_000n,
    driver: 'bridge',
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    options: {},
    labels: {},
    ipam: { driver: 'default', options: {}, subnets: [] },
    ...more,
  };
}

export class RecordingNetworks implements NetworkEngine {
  readonly calls: Call[] = [];
  views: NetworkView[] = [
    { record: networkRecord('bridge'), predefined: true, endpoints: [] },
    { record: networkRecord('host', { driver: 'host' }), predefined: true, endpoints: [] },
    { record: networkRecord('none', { driver: 'null' }), predefined: true, endpoints: [] },
  ];

  async create(...args: Parameters<NetworkEngine['create']>) {
    this.calls.push(['create', ...args]);
    return { id: 'd'.repeat(64), warnings: [] };
  }
  async remove(ref: string) {
    this.calls.push(['remove', ref]);
  }
  async prune(wanted: (view: NetworkView) => boolean) {
    return this.views.filter(wanted).map(({ record }) => record.name);
  }
  list() {
    return this.views;
  }
  records() {
    return this.views.map(({ record }) => record);
  }
  record(ref: string) {
    return this.inspect(ref).record;
  }
  inspect(ref: string): NetworkView {
    const found = this.views.find(({ record }) => record.name === ref || record.id === ref);
    if (found === undefined) throw new EngineError('not_found', `network ${ref} not found`);
    return found;
  }
  async explain(ref: string) {
    const { id, name, driver } = this.inspect(ref).record;
    return { id, name, driver, groups: [] };
  }
  open = refused;
  connect = refused;
  disconnect = refused;
  changePorts = refused;
  setRate = refused;
  show() {}
  async close() {}
  async relink() {}
  async rename() {}
  async recover() {}
  async traffic() {
    return [];
  }
  sandbox() {
    return undefined;
  }
  account() {
    return undefined;
  }
  path(id: string) {
    return `/run/${id}`;
  }
  plainResolvConf() {
    return '';
  }
  hostGateways() {
    return [];
  }
}

/** The API asks container/ for these. */
async function refused(): Promise<Sandbox> {
  throw new EngineError('internal', 'not asked by the API');
}
