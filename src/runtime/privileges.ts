// What a container may do: its capabilities and its system call filter.
import {
  type CapabilityName,
  namesOf,
  resolveCapabilities,
} from '#kernel/capability/capability.ts';
import type { BoxSecurity } from './box.ts';
import type { HostFacts } from './facts.ts';
import type { OciSeccomp } from './oci.ts';

/** B01, B02. */
export function capabilityNames(security: BoxSecurity, facts: HostFacts): CapabilityName[] {
  return namesOf(
    resolveCapabilities({
      add: security.capAdd,
      drop: security.capDrop,
      privileged: security.privileged,
      bounding: facts.boundingSet,
    }),
  );
}

export function seccompFor(
  security: BoxSecurity,
  capabilities: readonly string[],
  facts: HostFacts,
): OciSeccomp | undefined {
  return undefined;
}

export function compileFilter(
  seccomp: OciSeccomp,
  facts: HostFacts,
): { readonly filter: Uint8Array; readonly flags: number } {
  throw new Error('not yet');
}
