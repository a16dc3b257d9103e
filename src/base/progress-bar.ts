// The bar and the numbers of a transfer, as go's jsonmessage draws them: the engine sends them as a
// text to clients of old, the command line draws them as wide as its terminal.
import { formatSize } from './bytes.ts';

const BAR_LENGTH = 50;

/** "[=====>      ]  1.2MB/3MB"; '' before anything is known. */
export function progressBar(current: number, total: number, options = { bar: true }): string {
  if (current <= 0 && total <= 0) return '';
  const now = formatSize(current, 4).padStart(8);
  if (total <= 0) return now;
  const filled = Math.min(Math.trunc(Math.trunc((current / total) * 100) / 2), BAR_LENGTH);
  const bar = options.bar ? `[${'='.repeat(filled)}>${' '.repeat(BAR_LENGTH - filled)}] ` : '';
  return bar + (current > total ? now : `${now}/${formatSize(total, 4)}`);
}
