// /proc/PID/net/dev (proc_pid_net(5)): the counters of each interface in the network namespace of
// a process. Netlink tells the same, but only to who is inside.

export type InterfaceCounters = {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
};

/** "  eth0: 682 7 0 0 0 0 0 0 0 0 ...", 8 numbers of what came and 8 of what went. */
export function parseNetDev(text: string): Record<string, InterfaceCounters> {
  const interfaces: Record<string, InterfaceCounters> = {};
  for (const line of text.split('\n')) {
    const colon = line.lastIndexOf(':');
    if (colon === -1) continue; // one of the two lines of titles
    const values = line
      .slice(colon + 1)
      .trim()
      .split(/ +/)
      .map(Number);
    const at = (index: number): number => values[index] ?? 0;
    interfaces[line.slice(0, colon).trim()] = {
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    };
  }
  return interfaces;
}
