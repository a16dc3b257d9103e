// Shows what the engine does to make a container: each kernel operation in order, grouped, with
// why it is there and how long it took. For somebody who is learning, so every step says why.
import type { ExplainGroup, ExplainReply, ExplainStep } from '#wire/explain.ts';
import type { Context } from './command.ts';
import type { CreateBody } from './create/body.ts';
import { branchLines } from './explain-branches.ts';
import { type Paint, painter } from './paint.ts';

/** `run --dry-run`: the plan of a container that is not made. */
export async function showPlan({ client, flags }: Context, body: CreateBody): Promise<number> {
  const query = { name: flags.string('name') };
  const plan = await client.json<ExplainReply>('POST', '/coracle/plan', { query, json: body });
  show(plan, flags.bool('json'), 'Plan');
  return 0;
}

export function show(reply: ExplainReply, json: boolean, title: string): void {
  const { stdout } = process;
  if (json) stdout.write(`${JSON.stringify(reply, null, 2)}\n`);
  else stdout.write(explainText(reply, title, stdout.isTTY === true, stdout.columns || WIDTH));
}

const WIDTH = 100;
const WIDTH_MIN = 60;
const TIME_WIDTH = 10;

/** The whole text; pure, so that tests can read it. */
export function explainText(
  reply: ExplainReply,
  title: string,
  colours: boolean,
  columns: number,
): string {
  const paint = painter(colours);
  const width = Math.max(columns, WIDTH_MIN);
  const steps = reply.Groups.reduce((sum, group) => sum + group.Steps.length, 0);
  const total = reply.TotalNanoseconds;
  const name = reply.Name === '' ? reply.Image : reply.Name.replace(/^\//, '');
  // The account of a start lies in the exec root, and goes with it; what is shown then is the plan.
  const untimed = title === 'Plan' ? 'not run' : 'as planned (no account of a start is kept)';
  const time = total === null ? untimed : `${timeText(total)} in all`;
  const lines = [`${paint('bold', `${title} of ${name}`)}: ${steps} kernel operations, ${time}`];
  if (reply.Id !== '') lines.push(paint('dim', `container ${reply.Id.slice(0, 12)}`));
  lines.push(paint('dim', `image ${reply.Image}`));
  for (const group of reply.Groups) {
    lines.push('', ...groupLines(shortened(group, reply.Id), width, paint));
  }
  if (reply.Branches !== undefined) lines.push('', ...branchLines(reply.Branches, paint));
  return `${lines.join('\n')}\n`;
}

/** For a reader: the 64 digits of the id as 12, and a reason only where it changes. */
function shortened(group: ExplainGroup, id: string): ExplainGroup {
  let before = '';
  const steps = group.Steps.map((step) => {
    const text = id === '' ? step.Text : step.Text.replaceAll(id, `${id.slice(0, 12)}…`);
    const why = step.Why === before ? '' : step.Why;
    before = step.Why;
    return { ...step, Text: text, Why: why };
  });
  return { ...group, Steps: steps };
}

function groupLines(group: ExplainGroup, width: number, paint: Paint): string[] {
  const timed = group.Steps.filter((step) => step.Nanoseconds !== null);
  const sum = timed.reduce((total, step) => total + (step.Nanoseconds ?? 0), 0);
  const time = timed.length === 0 ? '' : timeText(sum);
  const heading = group.Name.toUpperCase();
  const gap = ' '.repeat(Math.max(1, width - heading.length - TIME_WIDTH));
  const head = paint('bold', heading) + (time === '' ? '' : gap + time.padStart(TIME_WIDTH));
  return [head, ...group.Steps.flatMap((step) => stepLines(step, width, paint))];
}

function stepLines(step: ExplainStep, width: number, paint: Paint): string[] {
  const number = `${String(step.Step).padStart(4)}  `;
  const room = width - number.length - TIME_WIDTH - 1;
  const [first = '', ...rest] = wrapWords(step.Text, room);
  const time = step.Nanoseconds === null ? '' : timeText(step.Nanoseconds);
  const failed = step.Errno !== null;
  const body = failed ? paint('red', first) : paint('cyan', first);
  const right = failed ? paint('red', String(step.Errno).padStart(TIME_WIDTH)) : '';
  const tail = failed ? right : paint('green', time.padStart(TIME_WIDTH));
  const filler = ' '.repeat(Math.max(1, room - first.length + 1));
  const indent = ' '.repeat(number.length);
  const why = wrapWords(`${step.Why}${step.Where === '' ? '' : ` [${step.Where}]`}`, room);
  return [
    (number + body + (time === '' && !failed ? '' : filler + tail)).trimEnd(),
    ...rest.map((line) => `${indent}  ${line}`),
    ...(step.Why === '' ? [] : why.map((line) => paint('dim', `${indent}${line}`))),
  ];
}

/** "12.3 µs", with the unit that gives one to three digits before the point. */
export function timeText(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(1)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toFixed(1)} ms`;
  return `${(nanoseconds / 1e9).toFixed(2)} s`;
}

/** Breaks at spaces, and inside a word only when it is longer than the line. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const cut = space > width / 2 ? space : width;
    lines.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  return [...lines, rest];
}
