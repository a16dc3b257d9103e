// What Firewall.list() says, as rules with their counters: the text of `nft list table` or the
// lines of iptables-save(8) -c. Read for people, so that what is not understood is left out.

export type Counter = { readonly packets: bigint; readonly bytes: bigint };

export type ListedRule = {
  /** Without its counter. */
  readonly text: string;
  readonly counter: Counter | undefined;
};

export type NftChain = {
  readonly name: string;
  /** "type nat hook prerouting priority dstnat"; undefined where other chains lead here. */
  readonly hook: string | undefined;
  readonly rules: readonly ListedRule[];
};

export type NftElement = {
  readonly key: string;
  /** Of a map: what the key leads to. */
  readonly value: string | undefined;
  readonly counter: Counter | undefined;
};

export type NftListing = {
  readonly chains: ReadonlyMap<string, NftChain>;
  /** Sets and maps by name. */
  readonly sets: ReadonlyMap<string, readonly NftElement[]>;
};

const COUNTER = /\bcounter packets (\d+) bytes (\d+) ?/;

function counterOf(text: string): Counter | undefined {
  const [, packets, bytes] = COUNTER.exec(text) ?? [];
  if (packets === undefined || bytes === undefined) return undefined;
  return { packets: BigInt(packets), bytes: BigInt(bytes) };
}

const withoutCounter = (text: string): string => text.replace(COUNTER, '').trim();

export function readNftListing(text: string): NftListing {
  const chains = new Map<string, NftChain>();
  const sets = new Map<string, readonly NftElement[]>();
  for (const [, kind, name = '', body = ''] of text.matchAll(
    /^\t(chain|set|map) (\S+) \{\n([\s\S]*?)^\t\}$/gm,
  )) {
    if (kind === 'chain') chains.set(name, readChain(name, body));
    else sets.set(name, readElements(body));
  }
  return { chains, sets };
}

function readChain(name: string, body: string): NftChain {
  const lines = body
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const head = lines.find((line) => line.startsWith('type '));
  const rules = lines.filter((line) => line !== head);
  return {
    name,
    hook: head?.split(';', 1)[0],
    rules: rules.map((line) => ({ text: withoutCounter(line), counter: counterOf(line) })),
  };
}

function readElements(body: string): readonly NftElement[] {
  const list = /elements = \{([\s\S]*?)\}/.exec(body)?.[1] ?? '';
  return list
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      // IPv6 addresses have colons without blanks around them.
      const [key = '', value] = withoutCounter(one).split(/ ?: /);
      return { key: key.trim(), value: value?.trim(), counter: counterOf(one) };
    });
}

export type IptablesLine = {
  /** "iptables" or "ip6tables". */
  readonly program: string;
  readonly table: string;
  readonly chain: string;
  /** After "-A CHAIN". */
  readonly text: string;
  readonly counter: Counter;
};

const LINE = /^(ip6?tables) -t (\S+) \[(\d+):(\d+)\] -A (\S+) ?(.*)$/;

export function readIptablesListing(text: string): readonly IptablesLine[] {
  return text.split('\n').flatMap((line) => {
    const [, program, table, packets, bytes, chain, rule = ''] = LINE.exec(line) ?? [];
    if (program === undefined || table === undefined || chain === undefined) return [];
    const counter = { packets: BigInt(packets ?? 0), bytes: BigInt(bytes ?? 0) };
    return [{ program, table, chain, text: rule, counter }];
  });
}
