// A platform as a push and a load want it: JSON, where a pull takes the word itself.
import { arch } from 'node:os';
import { messageOf } from '#base/error.ts';
import { ClientError } from './error.ts';

const SYSTEMS: readonly string[] = (
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 ' +
  'solaris windows zos'
).split(' ');
const ARCHITECTURES: readonly string[] = (
  '386 amd64 amd64p32 arm arm64 armbe arm64be loong64 mips mips64 mips64le mips64p32 ' +
  'mips64p32le mipsle ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'
).split(' ');
const ALIASES: Readonly<Record<string, string>> = {
  aarch64: 'arm64',
  i386: '386',
  'x86-64': 'amd64',
  x86_64: 'amd64',
};
const NODE_NAMES: Readonly<Record<string, string>> = { ia32: '386', x64: 'amd64' };
const COMPONENT = /^[A-Za-z0-9_.-]+$/;

/** In the words of containerd's parser, which docker's clients show. */
function invalid(text: string, reason: string): ClientError {
  return new ClientError('invalid_argument', `${JSON.stringify(text)}${reason}: invalid argument`);
}

/** "os/arch[/variant]", or one of the first two with this machine's other. */
function parsePlatform(text: string): readonly [os: string, arch: string, variant: string] {
  const parts = text.split('/');
  for (const part of parts) {
    if (COMPONENT.test(part)) continue;
    const why = `platform specifier component must match ${JSON.stringify(COMPONENT.source)}`;
    throw invalid(part, ` is an invalid component of ${JSON.stringify(text)}: ${why}`);
  }
  if (parts.length > 3) throw invalid(text, ': cannot parse platform specifier');
  const [first = '', second, variant = ''] = parts.map((part) => part.toLowerCase());
  if (second !== undefined) return [first, ALIASES[second] ?? second, variant];
  if (SYSTEMS.includes(first)) return [first, NODE_NAMES[arch()] ?? arch(), ''];
  const architecture = ALIASES[first] ?? first;
  if (ARCHITECTURES.includes(architecture)) return ['linux', architecture, ''];
  throw invalid(text, ': unknown operating system or architecture');
}

/** What a container is created with; "" where none is named. */
export function platformText(text: string): string {
  if (text === '') return '';
  return parsePlatform(text)
    .filter((part) => part !== '')
    .join('/');
}

/** Undefined where none is named. */
export function platformJson(text = ''): string | undefined {
  if (text === '') return undefined;
  const [os, architecture, variant] = parsePlatform(text);
  return JSON.stringify({ architecture, os, ...(variant === '' ? {} : { variant }) });
}

/** The same of a transfer, whose error says what is wrong with it. */
export function transferPlatform(text?: string): string | undefined {
  try {
    return platformJson(text);
  } catch (error) {
    throw new ClientError('invalid_argument', `invalid platform: ${messageOf(error)}`);
  }
}
