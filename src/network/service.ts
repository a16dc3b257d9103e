// Networks and the sandboxes that containers have on them. What is stored is in record.ts and the
// two stores; who has which address in lease.ts; the kernel's side in the drivers.
import { EngineError } from '#base/error.ts';
import type { NetworkEngine } from './engine.ts';

const later = (): never => {
  throw new EngineError('not_implemented', 'this version has no networks of its own yet');
};

export class NetworkService implements NetworkEngine {
  create: NetworkEngine['create'] = later;
  remove: NetworkEngine['remove'] = later;
  prune: NetworkEngine['prune'] = () => Promise.resolve([]);
  inspect: NetworkEngine['inspect'] = later;
  explain: NetworkEngine['explain'] = later;
  open: NetworkEngine['open'] = later;
  connect: NetworkEngine['connect'] = later;
  disconnect: NetworkEngine['disconnect'] = later;
  changePorts: NetworkEngine['changePorts'] = later;
  setRate: NetworkEngine['setRate'] = later;
  traffic: NetworkEngine['traffic'] = later;
  list: NetworkEngine['list'] = () => [];
  sandbox: NetworkEngine['sandbox'] = () => undefined;
  hostGateway: NetworkEngine['hostGateway'] = () => undefined;
  path: NetworkEngine['path'] = (id) => `/run/coracle/net/${id.slice(0, 32)}`;
  close(): Promise<void> {
    return Promise.resolve();
  }
  rename(): Promise<void> {
    return Promise.resolve();
  }
  recover(): Promise<void> {
    return Promise.resolve();
  }
}
