// `--mount type=bind,src=/a,dst=/b,...`: docker's keys, defaults and error texts.
import { isAbsolute, resolve } from 'node:path';
import { parseSize } from '#base/bytes.ts';
import { bool, type FlagKind, invalid } from '../flag-kind.ts';
import { splitCsv } from './csv.ts';

interface BindOptions {
  Propagation?: string;
  NonRecursive?: boolean;
  CreateMountpoint?: boolean;
  ReadOnlyNonRecursive?: boolean;
  ReadOnlyForceRecursive?: boolean;
  Idmap?: boolean;
}

interface VolumeOptions {
  NoCopy?: boolean;
  Labels?: Record<string, string>;
  Subpath?: string;
  DriverConfig?: { Name?: string; Options?: Record<string, string> };
}

export interface Mount {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: BindOptions;
  VolumeOptions?: VolumeOptions;
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

export const mountKind: FlagKind<readonly Mount[]> = {
  word: 'mount',
  parse: (text, before) => [...(before ?? []), parseMount(text)],
};

export function parseMount(text: string): Mount {
  const mount: Mount = { Type: 'volume' };
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    if (equals < 0 && !SWITCHES.has(key)) {
      throw invalid(`invalid field '${field}' must be a key=value pair`);
    }
    const setter = SETTERS[key];
    if (setter === undefined) throw invalid(`unexpected key '${key}' in '${field}'`);
    setter(mount, equals < 0 ? 'true' : field.slice(equals + 1), key);
  }
  check(mount);
  return mount;
}

const SWITCHES = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'bind-idmap']);

type Setter = (mount: Mount, value: string, key: string) => void;

const setReadOnly: Setter = (mount, value, key) => {
  if (parseSwitch(value, key)) mount.ReadOnly = true;
};
const setSource: Setter = (mount, value) => {
  mount.Source = !isAbsolute(value) && value.startsWith('.') ? resolve(value) : value;
};
const setTarget: Setter = (mount, value) => {
  mount.Target = value;
};

const SETTERS: Readonly<Record<string, Setter>> = {
  type: (mount, value) => {
    mount.Type = value.toLowerCase();
  },
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  readonly: setReadOnly,
  ro: setReadOnly,
  consistency: (mount, value) => {
    mount.Consistency = value.toLowerCase();
  },
  'bind-propagation': (mount, value) => {
    bindOf(mount).Propagation = value.toLowerCase();
  },
  'bind-nonrecursive': (mount, value, key) => {
    const on = parseSwitch(value, key);
    const options = bindOf(mount);
    if (on) options.NonRecursive = true;
  },
  // Ours: owners shifted by the user namespace.
  'bind-idmap': (mount, value, key) => {
    const on = parseSwitch(value, key);
    const options = bindOf(mount);
    if (on) options.Idmap = true;
  },
  'bind-recursive': setRecursive,
  'volume-subpath': (mount, value) => {
    volumeOf(mount).Subpath = value;
  },
  'volume-nocopy': (mount, value, key) => {
    const on = parseSwitch(value, key);
    const options = volumeOf(mount);
    if (on) options.NoCopy = true;
  },
  'volume-label': (mount, value) => {
    const options = volumeOf(mount);
    options.Labels = withPair(options.Labels, value);
  },
  'volume-driver': (mount, value) => {
    const options = volumeOf(mount);
    options.DriverConfig = { ...options.DriverConfig, Name: value };
  },
  'volume-opt': (mount, value) => {
    const options = volumeOf(mount);
    const driver = options.DriverConfig;
    options.DriverConfig = { ...driver, Options: withPair(driver?.Options, value) };
  },
  'image-subpath': (mount, value) => {
    mount.ImageOptions = { Subpath: value };
  },
  'tmpfs-size': (mount, value, key) => {
    try {
      mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: parseSize(value) };
    } catch {
      throw invalid(`invalid value for ${key}: ${value}`);
    }
  },
  'tmpfs-mode': (mount, value, key) => {
    if (!/^[0-7]{1,10}$/.test(value)) throw invalid(`invalid value for ${key}: ${value}`);
    mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(value, 8) };
  },
};

function setRecursive(mount: Mount, value: string, key: string): void {
  switch (value) {
    case 'enabled':
      return; // The default: nothing to say.
    case 'disabled':
      bindOf(mount).NonRecursive = true;
      return;
    case 'writable':
      bindOf(mount).ReadOnlyNonRecursive = true;
      return;
    case 'readonly':
      bindOf(mount).ReadOnlyForceRecursive = true;
      return;
    default: {
      const choices = '"enabled", "disabled", "writable", or "readonly"';
      throw invalid(`invalid value for ${key}: ${value} (must be ${choices})`);
    }
  }
}

function check(mount: Mount): void {
  const { Type: type, BindOptions: bind } = mount;
  if (type === '') throw invalid('type is required');
  if (mount.Target === undefined || mount.Target === '') throw invalid('target is required');
  if (mount.VolumeOptions !== undefined && type !== 'volume') throw mixed('volume', type);
  if (mount.ImageOptions !== undefined && type !== 'image') throw mixed('image', type);
  if (bind !== undefined && type !== 'bind') throw mixed('bind', type);
  if (mount.TmpfsOptions !== undefined && type !== 'tmpfs') throw mixed('tmpfs', type);
  if (bind?.ReadOnlyNonRecursive === true && mount.ReadOnly !== true) {
    const option = "option 'bind-recursive=writable' requires 'readonly'";
    throw invalid(`${option} to be specified in conjunction`);
  }
  if (bind?.ReadOnlyForceRecursive === true) {
    const option = "option 'bind-recursive=readonly' requires";
    if (mount.ReadOnly !== true) {
      throw invalid(`${option} 'readonly' to be specified in conjunction`);
    }
    if (bind.Propagation !== 'rprivate') {
      throw invalid(`${option} 'bind-propagation=rprivate' to be specified in conjunction`);
    }
  }
}

function mixed(family: string, type: string): Error {
  return invalid(`cannot mix '${family}-*' options with mount type '${type}'`);
}

function bindOf(mount: Mount): BindOptions {
  mount.BindOptions ??= {};
  return mount.BindOptions;
}

function volumeOf(mount: Mount): VolumeOptions {
  mount.VolumeOptions ??= {};
  return mount.VolumeOptions;
}

function withPair(
  before: Record<string, string> | undefined,
  pair: string,
): Record<string, string> {
  const equals = pair.indexOf('=');
  const key = equals < 0 ? pair : pair.slice(0, equals);
  return { ...before, [key]: equals < 0 ? '' : pair.slice(equals + 1) };
}

function parseSwitch(value: string, key: string): boolean {
  try {
    return bool.parse(value, undefined);
  } catch {
    throw invalid(`invalid value for ${key}: ${value}`);
  }
}
