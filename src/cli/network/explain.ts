// Shows what a packet meets on its way through a network, in order, with the counters of each
// rule at the right. For somebody who is learning, so every step says why it is there.
import { formatSize } from '#base/bytes.ts';
import type {
  NetworkExplainGroup,
  NetworkExplainReply,
  NetworkExplainStep,
} from '#wire/network.ts';
import { wrapWords } from '../explain.ts';
import { type Paint, painter } from '../paint.ts';

const WIDTH = 100;
const WIDTH_MIN = 60;
const COUNTER_WIDTH = 20;
const KIND_WIDTH_MAX = 12;
/** Digits of an id in a text, where the whole one is only noise. */
const ID_WIDTH = 12;

export function show(reply: NetworkExplainReply, json: boolean): void {
  const { stdout } = process;
  if (json) stdout.write(`${JSON.stringify(reply, null, 2)}\n`);
  else stdout.write(networkText(reply, stdout.isTTY === true, stdout.columns || WIDTH));
}

/** The whole text; pure, so that tests can read it. */
export function networkText(reply: NetworkExplainReply, colours: boolean, columns: number): string {
  const paint = painter(colours);
  const width = Math.max(columns, WIDTH_MIN);
  const lines = [
    `${paint('bold', `Network ${reply.Name}`)}: driver ${reply.Driver}`,
    paint('dim', `id ${reply.Id.slice(0, ID_WIDTH)}`),
  ];
  for (const group of reply.Groups) lines.push('', ...groupLines(group, width, paint));
  return `${lines.join('\n')}\n`;
}

function groupLines(group: NetworkExplainGroup, width: number, paint: Paint): string[] {
  const kinds = group.Steps.map(({ Kind: kind }) => kind.length);
  const kindWidth = Math.min(Math.max(0, ...kinds), KIND_WIDTH_MAX);
  const counted = group.Steps.some(({ Packets: packets }) => packets !== null);
  const heading = group.Name.toUpperCase();
  const gap = ' '.repeat(Math.max(1, width - heading.length - COUNTER_WIDTH));
  const counters = counted ? gap + 'packets    bytes'.padStart(COUNTER_WIDTH) : '';
  let before = '';
  const steps = group.Steps.flatMap((step, index) => {
    // A reason is told where it changes.
    const why = step.Why === before ? '' : step.Why;
    before = step.Why;
    return stepLines({ ...step, Why: why }, index + 1, { width, kindWidth, paint });
  });
  return [paint('bold', heading) + counters, ...steps];
}

function stepLines(
  step: NetworkExplainStep,
  number: number,
  layout: { readonly width: number; readonly kindWidth: number; readonly paint: Paint },
): string[] {
  const { width, kindWidth, paint } = layout;
  const head = `${String(number).padStart(4)}  ${step.Kind.padEnd(kindWidth)}  `;
  const counter = counterText(step);
  const room = width - head.length - (counter === '' ? 0 : COUNTER_WIDTH + 1);
  const [first = '', ...rest] = wrapWords(step.Text, room);
  const filler = ' '.repeat(Math.max(1, room - first.length + 1));
  const indent = ' '.repeat(head.length);
  const why = step.Why === '' ? [] : wrapWords(step.Why, width - head.length);
  return [
    (
      head +
      paint('cyan', first) +
      (counter === '' ? '' : filler + paint('green', counter))
    ).trimEnd(),
    ...rest.map((line) => `${indent}  ${line}`),
    ...why.map((line) => paint('dim', indent + line)),
  ];
}

function counterText({ Packets: packets, Bytes: bytes }: NetworkExplainStep): string {
  if (packets === null) return '';
  const size = bytes === null ? '' : formatSize(bytes);
  return `${String(packets).padStart(COUNTER_WIDTH - 9)} ${size.padStart(8)}`;
}
