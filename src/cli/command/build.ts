// build: sends a context, shows how it becomes an image, and says where it went wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { readJsonLines } from '#client/client.ts';
import { AgentForward } from '#client/ssh-agent.ts';
import type { OwnBuildEvent } from '#wire/build.ts';
import { encodeParts } from '#wire/parts.ts';
import { type BuildContext, openDirectory } from '../build/context.ts';
import { makeDisplay, showPlace, Steps } from '../build/display.ts';
import { isRemote, openContexts } from '../build/named-context.ts';
import { parseOutput, writeOutput } from '../build/output.ts';
import { readSecrets } from '../build/secret.ts';
import { openAgents } from '../build/ssh.ts';
import { CliError, type Context } from '../command.ts';
import { buildHeader } from '../credential.ts';
import type { Ulimit } from '../create/kinds.ts';
import { reasonOf } from '../create/kv-file.ts';
import type { Flags } from '../flags.ts';

type Message = {
  readonly coracle?: OwnBuildEvent;
  readonly stream?: string;
  readonly aux?: { readonly ID: string };
  readonly error?: string;
  readonly errorDetail?: {
    readonly message: string;
    readonly code?: number;
    readonly line?: number;
  };
};

const STDIN = 0;
const OUTPUT_LINES_SHOWN = 12;

export async function run(context: Context): Promise<number> {
  const { args, client, flags } = context;
  const path = args[0] ?? '.';
  const outputs = flags.list('output').map(parseOutput);
  const contexts = openContexts(flags.list('build-context'));
  const source = openSource(path, flags);
  const sent = contexts.flatMap(({ archive }) => archive ?? []);
  const main = source?.archive;
  const body = sent.length === 0 ? main : encodeParts([...(main ? [main] : []), ...sent]);
  await using agents = await openAgents(flags.list('ssh'), process.env);
  const problems = new Set<string>();
  using forward = new AgentForward(client, agents.sockets, (text) => problems.add(text));
  const reply = await client.call('POST', '/build', {
    query: queryOf(flags, source, path),
    ...(body === undefined ? {} : { stream: Readable.from(body) }),
    headers: {
      ...(await buildHeader(context.configFolder)),
      'X-Coracle-Build': encode({
        Events: true,
        Check: flags.bool('check'),
        Contexts: contexts.map(({ wish }) => wish),
        Secrets: readSecrets(flags.list('secret')),
        Ssh: [...agents.sockets.keys()],
      }),
    },
  });
  const result = await show(reply.body, context, { source, forward, problems });
  if (flags.bool('check')) return checkResult(result.warnings);
  const { id, tags } = result;
  for (const output of outputs) await writeOutput(client, id, output);
  if (flags.string('iidfile') !== '') writeText(flags.string('iidfile'), id);
  if (flags.string('metadata-file') !== '') {
    const metadata = { 'containerimage.config.digest': id, 'image.name': tags.join(',') };
    writeText(flags.string('metadata-file'), `${JSON.stringify(metadata, undefined, 2)}\n`);
  }
  if (flags.bool('quiet')) process.stdout.write(`${id}\n`);
  else process.stderr.write(`Built ${[id, ...tags].join(' ')}\n`);
  return 0;
}

function writeText(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new CliError(1, `open ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** undefined: the daemon fetches it. */
function openSource(path: string, flags: Flags): BuildContext | undefined {
  const file = flags.string('file');
  const stdin = (): Buffer => readFileSync(STDIN);
  if (isRemote(path)) return undefined;
  if (path !== '-') return openDirectory(path, file, stdin);
  if (file === '-') {
    const text = "invalid argument: can't use stdin for both build context and dockerfile";
    throw new CliError(1, text);
  }
  const bytes = stdin();
  // A tar archive says so at byte 257, a compressed one in its first bytes.
  const isTar = bytes.subarray(257, 262).toString('latin1') === 'ustar';
  const isCompressed = /^(?:1f8b08|28b52ffd|425a68|fd377a58)/.test(bytes.toString('hex', 0, 4));
  if (isTar || isCompressed) {
    const dockerfile = file || 'Dockerfile';
    return { archive: one(bytes), dockerfile, text: undefined, shown: dockerfile };
  }
  const text = bytes.toString('utf8');
  const packed = openText(text);
  return { archive: packed, dockerfile: 'Dockerfile', text, shown: '-' };
}

async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* openText(text: string): AsyncGenerator<Uint8Array> {
  const { encodeTar } = await import('#tar/encode.ts');
  const body = Buffer.from(text);
  yield* encodeTar([{ kind: 'file', path: 'Dockerfile', mode: 0o600, size: body.length, body }]);
}

function queryOf(flags: Flags, source: BuildContext | undefined, path: string) {
  const ulimits = Object.values(flags.map<Record<string, Ulimit>>('ulimit'));
  return {
    t: flags.list('tag'),
    dockerfile: source?.dockerfile ?? flags.string('file'),
    remote: source === undefined ? path : undefined,
    target: flags.string('target'),
    buildargs: JSON.stringify(pairs(flags.list('build-arg'))),
    labels: JSON.stringify(pairs(flags.list('label'))),
    nocache: flags.bool('no-cache') ? 1 : undefined,
    pull: flags.bool('pull') ? 1 : undefined,
    squash: flags.bool('squash') ? 1 : undefined,
    platform: flags.string('platform'),
    networkmode: flags.string('network'),
    extrahosts: flags.list('add-host'),
    cachefrom: JSON.stringify(flags.list('cache-from')),
    memory: flags.number('memory') || undefined,
    memswap: flags.number('memory-swap') || undefined,
    cpushares: flags.number('cpu-shares') || undefined,
    cpuperiod: flags.number('cpu-period') || undefined,
    cpuquota: flags.number('cpu-quota') || undefined,
    cpusetcpus: flags.string('cpuset-cpus'),
    cpusetmems: flags.string('cpuset-mems'),
    cgroupparent: flags.string('cgroup-parent'),
    shmsize: flags.number('shm-size') || undefined,
    ulimits: ulimits.length === 0 ? undefined : JSON.stringify(ulimits),
    rm: flags.bool('rm', true) ? 1 : 0,
    forcerm: flags.bool('force-rm') ? 1 : undefined,
  };
}

/** NAME=value, or NAME for what the environment has. */
function pairs(texts: readonly string[]): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at >= 0) return [text.slice(0, at), text.slice(at + 1)];
      return [text, process.env[text] ?? null];
    }),
  );
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64');
}

type Result = {
  readonly id: string;
  readonly tags: readonly string[];
  readonly warnings: readonly Extract<OwnBuildEvent, { kind: 'warning' }>[];
};

type Watched = {
  readonly source: BuildContext | undefined;
  readonly forward: AgentForward;
  /** Of agents that could not be asked; told after the steps. */
  readonly problems: ReadonlySet<string>;
};

async function show(
  body: Readable,
  { flags }: Context,
  { forward, problems, source }: Watched,
): Promise<Result> {
  const kind = displayKind(flags);
  const explain = flags.bool('explain');
  const display = makeDisplay(kind, process.stderr, { explain });
  const steps = new Steps();
  const warnings: Result['warnings'][number][] = [];
  let built: { readonly id: string; readonly tags: readonly string[] } = { id: '', tags: [] };
  let failure: Message['errorDetail'];
  try {
    for await (const message of readJsonLines<Message>(body)) {
      if (message.errorDetail !== undefined) failure = message.errorDetail;
      // Another engine has its own words.
      if (message.stream !== undefined && kind !== 'quiet') process.stderr.write(message.stream);
      if (message.aux !== undefined) built = { ...built, id: message.aux.ID };
      const event = message.coracle;
      if (event === undefined) continue;
      if (event.kind === 'agent') {
        forward.answer(event);
        continue;
      }
      if (event.kind === 'warning') warnings.push(event);
      if (event.kind === 'built') built = event;
      steps.add(event);
      display.add(event);
    }
  } finally {
    display.end(failure !== undefined);
    for (const problem of problems) process.stderr.write(`WARNING: ${problem}\n`);
  }
  if (failure !== undefined) throw failed(failure, steps, source, kind);
  return { ...built, warnings };
}

function displayKind(flags: Flags): Parameters<typeof makeDisplay>[0] {
  if (flags.bool('quiet') || flags.bool('check')) return 'quiet';
  const progress = flags.string('progress', 'auto');
  if (progress === 'auto') return process.stderr.isTTY ? 'tty' : 'plain';
  if (progress === 'tty' || progress === 'plain' || progress === 'rawjson') return progress;
  if (progress === 'quiet') return progress;
  throw new CliError(1, `invalid progress mode ${progress}: auto, tty, plain, rawjson or quiet`);
}

/** What, the last output, and where in the Dockerfile. */
function failed(
  failure: NonNullable<Message['errorDetail']>,
  steps: Steps,
  source: BuildContext | undefined,
  kind: string,
): CliError {
  const parts: string[] = [];
  // In lines that only grow the output stands right above.
  if (kind === 'tty' && steps.lastOutput.length > 0) {
    parts.push('------', ...steps.lastOutput.slice(-OUTPUT_LINES_SHOWN), '------');
  }
  if (failure.line !== undefined && source?.text !== undefined) {
    parts.push(showPlace(source.shown, source.text, failure.line), '');
  }
  parts.push(`ERROR: ${failure.message}`);
  return new CliError(failure.code ?? 1, parts.join('\n'));
}

function checkResult(warnings: Result['warnings']): number {
  for (const { line, message, rule } of warnings) {
    process.stdout.write(`line ${line}: ${rule}: ${message}\n`);
  }
  const count = warnings.length;
  if (count === 0) process.stdout.write('Check complete, no warnings found.\n');
  else process.stdout.write(`\nCheck complete, ${count} warning${count === 1 ? '' : 's'} found.\n`);
  return count === 0 ? 0 : 1;
}
