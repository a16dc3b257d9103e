// `-p` and `--expose`: go-connections' nat port specifications, with docker's error texts.
import { isIP } from 'node:net';
import { invalid, parseUnsigned } from '../flag-kind.ts';

export interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}
export type PortSet = Record<string, Record<string, never>>;
export type PortMap = Record<string, PortBinding[]>;

/** Publishing 1-65535 is legal; more than this many bindings in one command is not. */
export const PORTS_MAX = 65536;

/** All `-p` values as the API's ExposedPorts and PortBindings. */
export function parsePublish(specs: readonly string[]): { exposed: PortSet; bindings: PortMap } {
  const exposed: PortSet = {};
  const bindings: PortMap = {};
  for (const spec of specs) {
    for (const { port, binding } of parsePortSpec(shortForm(spec))) {
      exposed[port] = {};
      bindings[port] = [...(bindings[port] ?? []), binding];
    }
  }
  return { exposed, bindings };
}

/** Adds the `--expose` values: a port or a range, with or without a protocol. */
export function addExposed(exposed: PortSet, specs: readonly string[]): void {
  for (const spec of specs) {
    if (spec.includes(':')) throw invalid(`invalid port format for --expose: ${spec}`);
    const { proto, port } = splitProto(spec);
    let range: Range;
    try {
      range = parseRange(port);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw invalid(`invalid range format for --expose: ${spec}, error: ${reason}`);
    }
    for (let each = range.start; each <= range.end; each += 1) exposed[`${each}/${proto}`] ??= {};
  }
}

/** `published=8080,target=80,protocol=tcp` in the short form. */
function shortForm(spec: string): string {
  if (!spec.includes('=')) return spec;
  const fields: Record<string, string> = { protocol: 'tcp' };
  for (const field of spec.split(',')) {
    const equals = field.indexOf('=');
    if (equals <= 0) {
      throw invalid(`invalid publish opts format (should be name=value but got '${field}')`);
    }
    fields[field.slice(0, equals)] = field.slice(equals + 1);
  }
  return `${fields['published'] ?? ''}:${fields['target'] ?? ''}/${fields['protocol']}`;
}

function parsePortSpec(spec: string): { port: string; binding: PortBinding }[] {
  const { ip, hostPort, rest } = splitSpec(spec);
  const { proto, port } = splitProto(rest);
  if (ip.startsWith('[') && !ip.endsWith(']')) {
    throw invalid(`invalid IP address ${ip}: address ${ip}:: missing ']' in address`);
  }
  const address = ip.startsWith('[') ? ip.slice(1, -1) : ip;
  if (address !== '' && isIP(address.split('%', 1)[0] ?? '') === 0) {
    throw invalid(`invalid IP address: ${address}`);
  }
  if (port === '') throw invalid(`no port specified: ${spec}<empty>`);
  const inside = rangeOr(port, `invalid containerPort: ${port}`);
  const outside = hostPort === '' ? undefined : rangeOr(hostPort, `invalid hostPort: ${hostPort}`);
  const count = inside.end - inside.start + 1;
  if (outside !== undefined && outside.end - outside.start + 1 !== count && count !== 1) {
    const text = `invalid ranges specified for container and host Ports: ${port} and ${hostPort}`;
    throw invalid(text);
  }
  if (!['tcp', 'udp', 'sctp'].includes(proto)) throw invalid(`invalid proto: ${proto}`);
  return Array.from({ length: count }, (_, offset) => {
    let host = outside === undefined ? '' : String(outside.start + offset);
    // One container port with a range outside: the engine picks from the range.
    if (outside !== undefined && count === 1 && outside.start !== outside.end) {
      host += `-${outside.end}`;
    }
    return {
      port: `${inside.start + offset}/${proto}`,
      binding: { HostIp: address, HostPort: host },
    };
  });
}

function splitSpec(spec: string): { ip: string; hostPort: string; rest: string } {
  const parts = spec.split(':');
  const rest = parts.pop() ?? '';
  const hostPort = parts.pop() ?? '';
  return { ip: parts.join(':'), hostPort, rest };
}

function splitProto(spec: string): { proto: string; port: string } {
  const [port = '', proto] = spec.split('/');
  if (port === '') return { proto: '', port: '' };
  return { proto: (proto || 'tcp').toLowerCase(), port };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function parseRange(text: string): Range {
  if (text === '') throw invalid('empty string specified for ports.');
  const dash = text.indexOf('-');
  if (dash < 0) {
    const port = parsePort(text);
    return { start: port, end: port };
  }
  const start = parsePort(text.slice(0, dash));
  const end = parsePort(text.slice(dash + 1));
  if (end < start) throw invalid(`invalid range specified for port: ${text}`);
  return { start, end };
}

function parsePort(text: string): number {
  // Ports are decimal; parseUnsigned reads a leading 0 as octal, so it is taken off.
  return parseUnsigned(/^0+\d/.test(text) ? text.replace(/^0+(?=\d)/, '') : text, 65535n);
}

function rangeOr(text: string, message: string): Range {
  try {
    return parseRange(text);
  } catch {
    throw invalid(message);
  }
}
