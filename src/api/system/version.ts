// /version.
import type { Version } from '#wire/system.ts';
import { API_VERSION, API_VERSION_MIN } from '#wire/version.ts';
import type { SystemFacts } from './facts.ts';

/** Go's names for the machine, which clients compare with an image's architecture. */
const GO_ARCH: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

export function goArch(machine: string): string {
  return GO_ARCH[machine] ?? machine;
}

export function releaseFacts(facts: SystemFacts): Version {
  const arch = goArch(facts.machine);
  return {
    Platform: { Name: 'Coracle' },
    Components: [
      {
        Name: 'Engine',
        Version: facts.version,
        Details: {
          ApiVersion: API_VERSION,
          Arch: arch,
          BuildTime: facts.buildTime,
          Experimental: 'true',
          GitCommit: facts.gitCommit,
          // Clients print it; the engine is not written in Go, so it says what runs it.
          GoVersion: `node ${process.version}`,
          KernelVersion: facts.kernelVersion,
          MinAPIVersion: API_VERSION_MIN,
          Os: 'linux',
        },
      },
    ],
    Version: facts.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: API_VERSION_MIN,
    GitCommit: facts.gitCommit,
    GoVersion: `node ${process.version}`,
    Os: 'linux',
    Arch: arch,
    KernelVersion: facts.kernelVersion,
    Experimental: true,
    BuildTime: facts.buildTime,
  };
}
