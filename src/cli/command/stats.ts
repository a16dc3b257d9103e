// stats: what containers use, once or again and again. On a terminal that is wide enough each line
// ends with how CPU and memory went in the last seconds.
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, type Context } from '../command.ts';
import { renderList } from '../format/list.ts';
import { STATS, STATS_WITH_HISTORY } from '../format/stats.ts';
import {
  errorsOf,
  follow,
  followChanges,
  HISTORY_WIDTH,
  namesOf,
  sampleAll,
  Watched,
} from '../stats.ts';

const REFRESH_MS = 500;
/** Docker's columns, at their usual widths, and two sparklines. */
const WIDE_COLUMNS = 110 + 2 * (HISTORY_WIDTH + 3);
const HOME = '\u001b[H';
const CLEAR_SCREEN = '\u001b[2J';
const CLEAR_LINE = ' \u001b[K';
const CLEAR_BELOW = '\u001b[J';

export async function run(context: Context): Promise<number> {
  const { client, flags, args } = context;
  if (!flags.bool('no-stream')) return runStream(context);
  const names = args.length > 0 ? args : await namesOf(client, flags.bool('all'));
  const watched = await sampleAll(client, names);
  check(watched);
  const noTrunc = flags.bool('no-trunc');
  const rows = watched.map((each) => each.row(noTrunc));
  process.stdout.write(renderList(rows, STATS, { format: flags.string('format'), quiet: false }));
  return 0;
}

function check(watched: Iterable<Watched>): void {
  const errors = errorsOf(watched);
  if (errors !== undefined) throw new CliError(1, errors);
}

async function runStream({ client, flags, args }: Context): Promise<number> {
  const all = flags.bool('all');
  const stop = new AbortController();
  const watched = new Map<string, Watched>();
  const add = async (name: string): Promise<void> => {
    if (watched.has(name)) return;
    const added = new Watched(name);
    watched.set(name, added);
    await follow(client, added);
  };
  const onlyThese = args.length > 0;
  if (!onlyThese) {
    const change = (what: 'came' | 'went', name: string): void => {
      if (what === 'came') void add(name);
      else {
        watched.get(name)?.stop();
        watched.delete(name);
      }
    };
    // Before the list, so that none is missed that comes between the two.
    await followChanges(client, all, change, stop.signal);
  }
  await Promise.all((onlyThese ? args : await namesOf(client, all)).map(add));
  if (onlyThese) check(watched.values());
  const frame = framer(flags.string('format'), flags.bool('no-trunc'));
  if (process.stdout.isTTY) process.stdout.write(CLEAR_SCREEN);
  for (;;) {
    process.stdout.write(frame([...watched.values()]));
    if (watched.size === 0 && !all) break;
    await sleep(REFRESH_MS);
  }
  stop.abort();
  return 0;
}

/** The picture of now; it overwrites the one before, line by line, so that nothing flickers. */
function framer(format: string, noTrunc: boolean): (watched: readonly Watched[]) => string {
  const plain = format === '' || format === 'table';
  return (watched) => {
    const { isTTY, columns } = process.stdout;
    const wide = plain && isTTY === true && columns >= WIDE_COLUMNS;
    const rows = watched.map((each) => (wide ? each.historyRow(noTrunc) : each.row(noTrunc)));
    const listing = wide ? STATS_WITH_HISTORY : STATS;
    const lines = renderList(rows, listing, { format, quiet: false }).split('\n');
    return `${HOME}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`;
  };
}
