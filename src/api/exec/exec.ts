// The /exec endpoints.
import { EngineError, messageOf } from '#base/error.ts';
import type { ExecView } from '#container/engine.ts';
import type { ExecInspect } from '#wire/exec.ts';
import { readJsonBody, readRequiredJson } from '../body.ts';
import { parseConsoleSize } from '../container/parse-host.ts';
import { parseSize, ref } from '../container/lifecycle.ts';
import { type Exchange, sendEmpty, sendJson } from '../exchange.ts';
import { bridge, frame, hijack } from '../hijack.ts';

const STDOUT = 1;

export async function createExec(exchange: Exchange): Promise<void> {
  const { deps, params, request } = exchange;
  const body = await readRequiredJson(request, 'ExecOptions');
  const cmd = body.strings('Cmd') ?? [];
  if (cmd.length === 0) throw new EngineError('invalid_argument', 'No exec command specified');
  const id = await deps.containers.execCreate(ref(params), {
    cmd,
    env: body.strings('Env') ?? [],
    workingDir: body.string('WorkingDir'),
    user: body.string('User'),
    privileged: body.bool('Privileged'),
    tty: body.bool('Tty'),
    attachStdin: body.bool('AttachStdin'),
    attachStdout: body.bool('AttachStdout'),
    attachStderr: body.bool('AttachStderr'),
    detachKeys: body.string('DetachKeys'),
    consoleSize: parseConsoleSize(body.get('ConsoleSize')),
  });
  sendJson(exchange, 201, { Id: id });
}

export async function startExec(exchange: Exchange): Promise<void> {
  const { deps, params, request, signal } = exchange;
  const body = await readJsonBody(request, 'ExecStartOptions');
  const view = deps.containers.execInspect(ref(params));
  const detach = body.bool('Detach');
  const tty = body.bool('Tty');
  const consoleSize = parseConsoleSize(body.get('ConsoleSize'));
  if (consoleSize?.some((cells) => cells > 0) && !tty) {
    const text = 'ConsoleSize must be null if Tty is false';
    throw new EngineError('invalid_argument', text);
  }
  if (detach) {
    await deps.containers.execStart(view.id, { detach, tty, consoleSize }, signal);
    return sendEmpty(exchange, 200);
  }
  // From here on the stream belongs to the client: a failure is text in it, and the exit code
  // (126, 127) is asked for by inspect.
  const hijacked = await hijack(exchange, tty);
  try {
    const options = { detach, tty, consoleSize };
    const session = await deps.containers.execStart(view.id, options, signal);
    if (session === undefined) return void hijacked.output.end();
    await bridge(hijacked, session.stream, { stdin: view.spec.attachStdin });
  } catch (error) {
    const text = `${messageOf(error)}\r\n`;
    hijacked.input.resume();
    hijacked.output.end(tty ? text : frame(STDOUT, text));
    deps.log.debug('exec failed, told the client', { exec: view.id, error });
  }
}

export async function resizeExec(exchange: Exchange): Promise<void> {
  await exchange.deps.containers.execResize(ref(exchange.params), parseSize(exchange));
  sendEmpty(exchange, 200);
}

export function inspectExec(exchange: Exchange): void {
  sendJson(exchange, 200, renderExec(exchange.deps.containers.execInspect(ref(exchange.params))));
}

export function renderExec(view: ExecView): ExecInspect {
  const { spec } = view;
  return {
    ID: view.id,
    Running: view.running,
    ExitCode: view.exitCode,
    ProcessConfig: {
      tty: spec.tty,
      entrypoint: spec.cmd[0] ?? '',
      arguments: spec.cmd.slice(1),
      privileged: spec.privileged,
      ...(spec.user === '' ? {} : { user: spec.user }),
      ...(spec.workingDir === '' ? {} : { workingDir: spec.workingDir }),
      ...(spec.env.length === 0 ? {} : { env: spec.env }),
    },
    OpenStdin: spec.attachStdin,
    OpenStderr: spec.attachStderr,
    OpenStdout: spec.attachStdout,
    CanRemove: !view.running && view.exitCode !== null,
    ContainerID: view.containerId,
    DetachKeys: Buffer.from(spec.detachKeys).toString('base64'),
    Pid: view.pid,
  };
}
