// Which platform this machine runs, in GOOS/GOARCH words, and which of several images fits it.
import { arch } from 'node:os';
import { EngineError } from '#base/error.ts';

export type Platform = {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
};

const GOARCH: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: '386',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips64el: 'mips64le',
};

export function hostPlatform(): Platform {
  const architecture = GOARCH[arch()] ?? arch();
  return { os: 'linux', architecture, variant: architecture === 'arm64' ? 'v8' : '' };
}

/** "linux/arm64/v8", "arm64" or "linux". */
export function parsePlatform(text: string): Platform | undefined {
  const match = /^([a-z0-9_]+)(?:\/([a-z0-9_]+))?(?:\/([a-z0-9.]+))?$/.exec(text.toLowerCase());
  if (match === null) return undefined;
  const [, first = '', second, third = ''] = match;
  if (second !== undefined) return { os: first, architecture: alias(second), variant: third };
  const host = hostPlatform();
  if (first === 'linux') return host;
  return { os: 'linux', architecture: alias(first), variant: '' };
}

function alias(architecture: string): string {
  if (architecture === 'x86_64') return 'amd64';
  return architecture === 'aarch64' ? 'arm64' : architecture;
}

/** A variant that is not said fits any. */
export function fitsPlatform(wanted: Platform, offered: Platform): boolean {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return false;
  return wanted.variant === '' || offered.variant === '' || wanted.variant === offered.variant;
}

/** The one platform and no other that it could run as well (containerd's platforms.OnlyStrict). */
export function isPlatform(wanted: Platform, offered: Platform): boolean {
  const [a, b] = [normal(wanted), normal(offered)];
  return a.os === b.os && a.architecture === b.architecture && a.variant === b.variant;
}

/** The variant that goes without saying is not said, and an arm that says none is the newest. */
function normal({ os, architecture, variant }: Platform): Platform {
  const unsaid = { amd64: 'v1', arm64: 'v8' }[architecture];
  if (architecture === 'arm' && variant === '') return { os, architecture, variant: 'v7' };
  return { os, architecture, variant: variant === unsaid ? '' : variant };
}

/** Throws not_found for an image that is there, but of another platform than the one asked for. */
export function checkPlatformOf(name: string, image: Platform, wanted: Platform): void {
  if (fitsPlatform(wanted, image)) return;
  const [is, asked] = [formatPlatform(image), formatPlatform(wanted)];
  const why = `its platform (${is}) does not match the specified platform (${asked})`;
  throw new EngineError('not_found', `image with reference ${name} was found but ${why}`);
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return `${os}/${architecture}${variant === '' ? '' : `/${variant}`}`;
}
