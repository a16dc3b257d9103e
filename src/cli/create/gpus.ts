// docker's --gpus: a request for devices of a driver. There are none in the engine, which says so;
// one of docker's may be asked by this command as well.
import type { DeviceRequest } from '#wire/container-config.ts';
import { type FlagKind, invalid } from '../flag-kind.ts';
import { splitCsv } from './csv.ts';

const ALL = -1;

export const gpuKind: FlagKind<readonly DeviceRequest[]> = {
  word: 'gpu-request',
  parse: (text, before) => [...(before ?? []), parseRequest(text)],
};

function parseRequest(text: string): DeviceRequest {
  let count: number | undefined;
  const request = { Driver: '', DeviceIDs: null as string[] | null, Options: {} };
  const capabilities = ['gpu'];
  for (const field of splitCsv(text)) {
    const [, key = 'count', value = ''] = /^(?:([^=]*)=)?(.*)$/s.exec(field) ?? [];
    if (key === 'count') count = parseCount(value);
    else if (key === 'driver') request.Driver = value;
    else if (key === 'device') request.DeviceIDs = value.split(',');
    else if (key === 'capabilities') capabilities.push(...value.split(','));
    else if (key === 'options') request.Options = Object.fromEntries(value.split(',').map(pairOf));
    else throw invalid(`unexpected key '${key}' in '${field}'`);
  }
  const found = count ?? (request.DeviceIDs === null ? 1 : 0);
  return { ...request, Count: found, Capabilities: [capabilities] };
}

function parseCount(text: string): number {
  if (text === 'all') return ALL;
  if (/^-?\d+$/.test(text)) return Number(text);
  throw invalid(`invalid count (${text}): value must be either "all" or an integer`);
}

function pairOf(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}
