// ONBUILD: the cases come in pairs, the first makes the base of the second.
import type { BuildCase } from './case.ts';

export type TriggerCase = BuildCase & { readonly base: string };

const trigger = (
  name: string,
  base: string,
  own: string,
  more: Partial<BuildCase> = {},
): TriggerCase => ({
  name,
  base: `FROM busybox\n${base}`,
  dockerfile: `FROM BASE\n${own}`,
  ...more,
});

export const TRIGGER_CASES: readonly TriggerCase[] = [
  trigger('a trigger runs in the child', 'ONBUILD RUN echo $a >/f\nENV a=1', 'LABEL x=1'),
  trigger('two triggers', 'ONBUILD ENV b=2\nONBUILD RUN echo $b >/f', 'RUN cat /f'),
  trigger('a trigger copies of the child’s context', 'ONBUILD COPY . /src/', 'LABEL x=1', {
    context: { a: 'A' },
  }),
  trigger('a trigger that fails', 'ONBUILD RUN exit 5', 'LABEL x=1'),
  trigger('a trigger is not inherited twice', 'ONBUILD LABEL t=1', 'ONBUILD LABEL own=1'),
  trigger(
    'a trigger with CMD and ENTRYPOINT',
    'ONBUILD CMD ["c"]\nONBUILD ENTRYPOINT ["e"]',
    'LABEL x=1',
  ),
  trigger('a trigger with ARG', 'ONBUILD ARG v=1\nONBUILD RUN echo $v >/f', 'LABEL v="<$v>"', {
    query: { buildargs: '{"v":"2"}' },
  }),
  trigger(
    'a trigger with quotes',
    'ONBUILD RUN ["sh", "-c", "echo \\"q\\" >/f"]\nONBUILD ENV q="a b"',
    'LABEL x=1',
  ),
  {
    name: 'a trigger takes from a stage that nobody else needs',
    differs: 'the classic builder builds every stage, in their order',
    base: 'FROM busybox\nONBUILD COPY --from=0 /f /g',
    dockerfile: 'FROM busybox\nRUN echo 1 >/f\nFROM BASE\nLABEL x=1',
  },
];
