// `--format` of the commands that show one thing: nothing, `json`, or a template.
import { messageOf } from '#base/error.ts';
import { CliError } from '../command.ts';
import { unescapeFormat } from './list.ts';
import { compileTemplate, type Template } from './template.ts';

/** Docker's exit code for a template that cannot be read. */
const EXIT_BAD_TEMPLATE = 64;

/** Undefined where no template was given. */
export function formatOf(
  format: string,
  prefix = 'template parsing error: ',
): Template | undefined {
  if (format === '' || format === 'json') return undefined;
  try {
    return compileTemplate(unescapeFormat(format));
  } catch (error) {
    throw new CliError(EXIT_BAD_TEMPLATE, prefix + messageOf(error), { cause: error });
  }
}

/** Tries it on an example, before anything is asked of the engine. */
export function tryFormat(template: Template, example: unknown, prefix: string): void {
  try {
    template(example);
  } catch (error) {
    throw new CliError(EXIT_BAD_TEMPLATE, prefix + messageOf(error), { cause: error });
  }
}
