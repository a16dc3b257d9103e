// The interface below a macvlan or ipvlan network: one of the host's, a VLAN of one that is made
// and taken away with the network, or, where none is named, one of its own that leads nowhere. Who
// made it stands in its alias, so that nobody else's interface is ever removed, also after a crash.
import { EngineError } from '#base/error.ts';
import { addLink, deleteLink, getLink, setLink } from '#kernel/netlink/link.ts';
import { decodeLinks, type LinkState } from '#kernel/netlink/link-state.ts';
import { checkInterfaceName, type Message } from '#kernel/netlink/message.ts';
import { isNetlinkError, type Netlink } from '#kernel/netlink/netlink.ts';
import type { NetworkRecord } from '../engine.ts';

const VLAN_ID_MAX = 4094;
const OWN_ID_DIGITS = 12;
const ALIAS = 'coracle network ';

export type Parent = {
  readonly name: string;
  /** What to make when it is not there; undefined = it has to be there. */
  readonly make:
    | { readonly kind: 'own' }
    | { readonly kind: 'vlan'; readonly below: string; readonly id: number }
    | undefined;
};

type Described = Pick<NetworkRecord, 'id' | 'driver' | 'options'>;

function invalid(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}

/** The option `parent`; that it exists is looked up later. Texts are Docker's. */
export function parentOf(record: Described): Parent {
  const name = record.options.parent ?? '';
  if (name === '') {
    return { name: `cd-${record.id.slice(0, OWN_ID_DIGITS)}`, make: { kind: 'own' } };
  }
  checkInterfaceName(name);
  if (name === 'lo') {
    throw invalid(`loopback interface is not a valid ${record.driver} parent link`);
  }
  const [below = '', digits, ...rest] = name.split('.');
  if (digits === undefined || rest.length > 0 || below === '' || !/^\d{1,4}$/.test(digits)) {
    return { name, make: undefined };
  }
  const id = Number(digits);
  return { name, make: id >= 1 && id <= VLAN_ID_MAX ? { kind: 'vlan', below, id } : undefined };
}

/** Whether it leads out of the host: a network on an interface of its own is internal. */
export function leadsOut(record: Pick<NetworkRecord, 'options'>): boolean {
  return (record.options.parent ?? '') !== '';
}

/** Why an interface that is not there cannot be made either, in Docker's words. */
export function missingParent(name: string): EngineError {
  const parts = name.split('.');
  if (parts.length === 1) {
    return invalid(
      `invalid subinterface vlan name ${name}, example formatting is eth0.10 ` +
        '(the parent interface was not found on the host)',
    );
  }
  if (parts.length !== 2) {
    return invalid(
      'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, ' +
        `instead received ${name}`,
    );
  }
  const id = parts[1] ?? '';
  return /^-?\d+$/.test(id)
    ? invalid(`vlan id must be between 1-4094, received: ${id}`)
    : invalid(`unable to parse a valid vlan id from: ${id} (ex. eth0.10 for vlan 10)`);
}

/** Who uses which interface, and its index. One for both drivers: they may share an interface. */
export class Parents {
  readonly #netlink: Netlink;
  /** Index of the interface by network. */
  readonly #active = new Map<string, number>();
  /** The VLAN below two networks is made once: one change at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  /** Index of the interface of an active network. */
  index(record: Pick<NetworkRecord, 'id' | 'name'>): number {
    const index = this.#active.get(record.id);
    if (index !== undefined) return index;
    throw new EngineError('internal', `network ${record.name} was not activated`);
  }

  /** That the interface is there or can be made; makes nothing. */
  async check(record: Described): Promise<void> {
    const { name, make } = parentOf(record);
    if (make?.kind === 'own' || (await this.#netlink.link('', name)) !== undefined) return;
    if (make === undefined) throw missingParent(name);
    if ((await this.#netlink.link('', make.below)) === undefined) {
      throw invalid(`-o parent interface was not found on the host: ${make.below}`);
    }
    // A vlan without an interface below is EINVAL where the kernel has them: nothing is made.
    await this.has({ kind: 'vlan', id: make.id }).then((has) => {
      if (!has) throw noVlan(name);
    });
  }

  /** Whether the kernel has this kind, which nothing but trying tells. */
  async has(kind: Parameters<typeof addLink>[0]['kind']): Promise<boolean> {
    try {
      await this.#netlink.exchange('', [addLink({ name: 'coracle-probe', kind })]);
    } catch (error) {
      if (isNetlinkError(error, 'EOPNOTSUPP')) return false;
      if (isNetlinkError(error)) return true; // it knows the kind, and misses the interface below
      throw error;
    }
    throw new EngineError('internal', `the kernel made a ${kind.kind} of nothing`);
  }

  /** Whether anything had to be made, or is not the interface that it was. */
  activate(record: Described, again: boolean): Promise<boolean> {
    return this.#alone(async () => {
      if (!again && this.#active.has(record.id)) return false;
      const parent = parentOf(record);
      const there = await this.#netlink.link('', parent.name);
      const link = there ?? (await this.#make(record, parent));
      const before = this.#active.get(record.id);
      this.#active.set(record.id, link.index);
      if (link === there && !there.up && isOurs(there)) {
        await this.#netlink.exchange('', [setLink(there.index, { up: true })]);
      }
      return there === undefined || (before !== undefined && before !== link.index);
    });
  }

  deactivate(record: Described): Promise<void> {
    return this.#alone(async () => {
      const { name, make } = parentOf(record);
      this.#active.delete(record.id);
      if (make === undefined) return;
      const link = await this.#netlink.link('', name);
      if (link === undefined || link.alias !== ALIAS + record.id) return;
      const heir = [...this.#active].find(([, index]) => index === link.index)?.[0];
      const alias = ALIAS + (heir ?? '');
      await this.#netlink
        .exchange('', [
          heir === undefined ? deleteLink(link.index) : setLink(link.index, { alias }),
        ])
        .catch(ignoreGone);
    });
  }

  async #make(record: Described, { name, make }: Parent): Promise<LinkState> {
    if (make === undefined) throw missingParent(name);
    const alias = ALIAS + record.id;
    const finish: readonly Message[] = [
      setLink(name, { alias, linkLocal: 'none' }),
      setLink(name, { up: true }),
      getLink(name),
    ];
    if (make.kind === 'own') return await this.#makeOwn(name, finish);
    const below = await this.#netlink.link('', make.below);
    if (below === undefined) {
      throw invalid(`-o parent interface was not found on the host: ${make.below}`);
    }
    try {
      const kind = { kind: 'vlan', id: make.id } as const;
      return await this.#add([addLink({ name, parent: below.index, kind }), ...finish]);
    } catch (error) {
      throw isNetlinkError(error, 'EOPNOTSUPP') ? noVlan(name) : error;
    }
  }

  /**
   * A dummy, as Docker has it. A kernel without gets an ifb: a frame that nobody redirected to it
   * is dropped there as well, so that the containers reach each other and nobody else.
   */
  async #makeOwn(name: string, finish: readonly Message[]): Promise<LinkState> {
    try {
      return await this.#add([addLink({ name, kind: { kind: 'dummy' } }), ...finish]);
    } catch (error) {
      if (!isNetlinkError(error, 'EOPNOTSUPP')) throw error;
      return await this.#add([addLink({ name, kind: { kind: 'ifb' } }), ...finish]);
    }
  }

  async #add(messages: readonly Message[]): Promise<LinkState> {
    const link = decodeLinks(await this.#netlink.exchange('', messages))[0];
    if (link === undefined) throw new EngineError('internal', 'the kernel made no interface');
    return link;
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

function isOurs(link: LinkState): boolean {
  return link.alias?.startsWith(ALIAS) === true;
}

function ignoreGone(error: unknown): void {
  if (!isNetlinkError(error, 'ENODEV')) throw error;
}

function noVlan(name: string): EngineError {
  return new EngineError(
    'invalid_argument',
    `cannot make the VLAN interface ${name}: this kernel has no 802.1Q (CONFIG_VLAN_8021Q); ` +
      'load the module 8021q, or name an interface that exists with -o parent=',
  );
}
