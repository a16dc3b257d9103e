// The state that the kernel should hold, changed step by step; a step can be taken back.
import { EngineError } from '#base/error.ts';
import type { FirewallModel, Step } from './backend.ts';
import {
  type FirewallNetwork,
  type FirewallState,
  type LinkedPort,
  linkKey,
  LINKS_MAX,
  NETWORKS_MAX,
  normaliseLink,
  normaliseNetwork,
  normalisePort,
  PORTS_MAX,
  portKey,
  type PublishedPort,
} from './state.ts';

export type FirewallChange = {
  readonly addNetworks?: readonly FirewallNetwork[];
  /** By id; the network's ports go with it. */
  readonly removeNetworks?: readonly string[];
  readonly addPorts?: readonly PublishedPort[];
  readonly removePorts?: readonly PublishedPort[];
  readonly addLinks?: readonly LinkedPort[];
  readonly removeLinks?: readonly LinkedPort[];
};

class Sum implements Step {
  readonly ports = {
    removed: new Map<string, PublishedPort>(),
    added: new Map<string, PublishedPort>(),
  };
  readonly networks = {
    removed: new Map<string, FirewallNetwork>(),
    added: new Map<string, FirewallNetwork>(),
  };
  readonly links = {
    removed: new Map<string, LinkedPort>(),
    added: new Map<string, LinkedPort>(),
  };
  get removeLinks(): readonly LinkedPort[] {
    return [...this.links.removed.values()];
  }
  get addLinks(): readonly LinkedPort[] {
    return [...this.links.added.values()];
  }
  get removePorts(): readonly PublishedPort[] {
    return [...this.ports.removed.values()];
  }
  get removeNetworks(): readonly FirewallNetwork[] {
    return [...this.networks.removed.values()];
  }
  get addNetworks(): readonly FirewallNetwork[] {
    return [...this.networks.added.values()];
  }
  get addPorts(): readonly PublishedPort[] {
    return [...this.ports.added.values()];
  }
}

export class StateBook implements FirewallModel {
  readonly networks = new Map<string, FirewallNetwork>();
  readonly ports = new Map<string, PublishedPort>();
  readonly links = new Map<string, LinkedPort>();

  static of(state: FirewallState): StateBook {
    const book = new StateBook();
    book.note([
      { addNetworks: state.networks, addPorts: state.ports, addLinks: state.links ?? [] },
    ]);
    return book;
  }

  /**
   * Performs the changes on the state, all or none, and answers their sum: what is added and
   * removed within them cancels out.
   */
  note(changes: readonly FirewallChange[]): Step {
    const sum = new Sum();
    try {
      for (const change of changes) this.#noteOne(change, sum);
    } catch (error) {
      this.undo(sum);
      throw error;
    }
    return sum;
  }

  undo(step: Step): void {
    for (const link of step.addLinks) this.links.delete(linkKey(link));
    for (const port of step.addPorts) this.ports.delete(portKey(port));
    for (const network of step.addNetworks) this.networks.delete(network.id);
    for (const network of step.removeNetworks) this.networks.set(network.id, network);
    for (const port of step.removePorts) this.ports.set(portKey(port), port);
    for (const link of step.removeLinks) this.links.set(linkKey(link), link);
  }

  #noteOne(change: FirewallChange, sum: Sum): void {
    for (const link of change.removeLinks ?? []) this.#removeLink(normaliseLink(link), sum);
    for (const port of change.removePorts ?? []) this.#removePort(normalisePort(port), sum);
    for (const id of change.removeNetworks ?? []) this.#removeNetwork(id, sum);
    for (const given of change.addNetworks ?? []) {
      const network = normaliseNetwork(given);
      this.#checkNetwork(network);
      this.networks.set(network.id, network);
      sum.networks.added.set(network.id, network);
    }
    for (const given of change.addPorts ?? []) {
      const port = normalisePort(given);
      this.#checkPort(port);
      this.ports.set(portKey(port), port);
      sum.ports.added.set(portKey(port), port);
    }
    for (const given of change.addLinks ?? []) this.#addLink(normaliseLink(given), sum);
  }

  /** Two names for one container are one link. */
  #addLink(link: LinkedPort, sum: Sum): void {
    const key = linkKey(link);
    if (this.links.has(key)) return;
    if (!this.networks.has(link.network)) {
      const message = `link ${key} belongs to an unknown network ${link.network}`;
      throw new EngineError('invalid_argument', message);
    }
    if (this.links.size >= LINKS_MAX) {
      throw new EngineError('limit_exceeded', `more than LINKS_MAX (${LINKS_MAX}) linked ports`);
    }
    this.links.set(key, link);
    if (!sum.links.removed.delete(key)) sum.links.added.set(key, link);
  }

  #removeLink(link: LinkedPort, sum: Sum): void {
    const key = linkKey(link);
    const held = this.links.get(key);
    if (held === undefined) return;
    this.links.delete(key);
    if (!sum.links.added.delete(key)) sum.links.removed.set(key, held);
  }

  #removePort(port: PublishedPort, sum: Sum): void {
    const key = portKey(port);
    const held = this.ports.get(key);
    // Another container may have the host's port by now; then it is not this one's to remove.
    if (held === undefined || held.container !== port.container) return;
    this.ports.delete(key);
    if (!sum.ports.added.delete(key)) sum.ports.removed.set(key, held);
  }

  #removeNetwork(id: string, sum: Sum): void {
    const held = this.networks.get(id);
    if (held === undefined) return;
    for (const link of this.links.values()) if (link.network === id) this.#removeLink(link, sum);
    for (const port of this.ports.values()) if (port.network === id) this.#removePort(port, sum);
    this.networks.delete(id);
    if (!sum.networks.added.delete(id)) sum.networks.removed.set(id, held);
  }

  #checkNetwork(network: FirewallNetwork): void {
    if (this.networks.has(network.id)) {
      throw new EngineError('conflict', `network ${network.id} has its rules already`);
    }
    if (this.networks.size >= NETWORKS_MAX) {
      throw new EngineError('limit_exceeded', `more than NETWORKS_MAX (${NETWORKS_MAX}) networks`);
    }
  }

  #checkPort(port: PublishedPort): void {
    const held = this.ports.get(portKey(port));
    if (held !== undefined) {
      const host = port.hostIp.includes(':') ? `[${port.hostIp}]` : port.hostIp;
      throw new EngineError(
        'conflict',
        `Bind for ${host}:${port.hostPort} failed: port is already allocated`,
        { facts: { owner: held.container, protocol: port.protocol } },
      );
    }
    if (!this.networks.has(port.network)) {
      const message = `port ${portKey(port)} belongs to an unknown network ${port.network}`;
      throw new EngineError('invalid_argument', message);
    }
    if (this.ports.size >= PORTS_MAX) {
      throw new EngineError('limit_exceeded', `more than PORTS_MAX (${PORTS_MAX}) published ports`);
    }
  }
}
