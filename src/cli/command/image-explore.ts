// image explore: what each layer of an image adds, changes, removes and wastes. A screen to walk
// through in a terminal, text elsewhere; with --max-wasted a check for CI.
import type { ExploreReply } from '#wire/explore.ts';
import { CliError, type Context } from '../command.ts';
import { draw, firstScreen, keysOf, press } from '../explore/screen.ts';
import { plainText } from '../explore/tree.ts';
import { rawMode, terminalSize } from '../terminal.ts';

const DEPTH_DEFAULT = 2;
/** Of a terminal that does not say. */
const HEIGHT_DEFAULT = 24;
const ALTERNATE = '\u001b[?1049h\u001b[?25l';
const NORMAL = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';

export async function run({ flags, args, client }: Context): Promise<number> {
  const limit = parseLimit(flags.string('max-wasted'));
  const depth = flags.number('depth', DEPTH_DEFAULT);
  const path = `/coracle/images/${encodeURIComponent(args[0] ?? '')}/explore`;
  const reply = await client.json<ExploreReply>('GET', path);
  const terminal = process.stdout.isTTY === true && process.stdin.isTTY === true;
  if (flags.bool('json')) process.stdout.write(`${JSON.stringify(reply, null, 2)}\n`);
  else if (terminal && limit === undefined && !flags.bool('plain')) await browse(reply);
  else process.stdout.write(plainText(reply, depth, process.stdout.isTTY === true));
  if (limit === undefined || reply.WastedPercent <= limit) return 0;
  const found = `${reply.WastedPercent.toFixed(1)} % of its bytes are wasted`;
  process.stderr.write(`${reply.Name}: ${found}, and ${limit} % may be\n`);
  return 1;
}

function parseLimit(text: string): number | undefined {
  if (text === '') return undefined;
  const value = Number(text.replace(/%$/, ''));
  if (/^\d+(\.\d+)?%?$/.test(text) && value <= 100) return value;
  throw new CliError(
    125,
    `invalid argument "${text}" for "--max-wasted": a part of 100, as 5 or 2.5`,
  );
}

async function browse(reply: ExploreReply): Promise<void> {
  const { stdin, stdout } = process;
  using _raw = rawMode();
  using screenful = new DisposableStack();
  stdout.write(ALTERNATE);
  screenful.defer(() => stdout.write(NORMAL));
  let screen = firstScreen(reply);
  const paint = (): void => {
    const height = terminalSize().height || HEIGHT_DEFAULT;
    const lines = draw(screen, height, true).map((line) => `${line}${CLEAR_LINE}`);
    // Longer lines are cut by the terminal: no wrap while we draw.
    stdout.write(`\u001b[?7l${HOME}${lines.slice(0, Math.max(1, height)).join('\r\n')}\u001b[?7h`);
  };
  stdout.on('resize', paint);
  screenful.defer(() => stdout.off('resize', paint));
  paint();
  for await (const typed of stdin as AsyncIterable<Buffer>) {
    for (const key of keysOf(typed.toString())) {
      if (key === 'quit') return;
      screen = press(screen, key);
      paint();
    }
  }
}
