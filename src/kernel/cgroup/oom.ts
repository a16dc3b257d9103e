// How many processes the kernel killed for want of memory. v1 memory.oom_control (since 4.13) and
// v2 memory.events both carry a line "oom_kill N".

export function parseOomKills(text: string): number {
  const match = /^oom_kill (\d+)$/m.exec(text);
  return match === null ? 0 : Number(match[1]);
}
