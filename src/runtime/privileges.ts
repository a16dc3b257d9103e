// What a container may do: its capabilities and its system call filter.
import {
  type CapabilityName,
  namesOf,
  resolveCapabilities,
} from '#kernel/capability/capability.ts';
import { compileSeccomp, type SeccompFilter } from '#kernel/seccomp/compile.ts';
import { DEFAULT_PROFILE } from '#kernel/seccomp/default-profile.ts';
import { parseProfile, type SeccompProfile } from '#kernel/seccomp/profile.ts';
import { resolveProfile } from '#kernel/seccomp/resolve.ts';
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

/** Filters resolved for one profile, by the capabilities that they were resolved for. */
type Resolved = Map<string, OciSeccomp>;
/** A hundred sets of capabilities is far more than a host sees. */
const RESOLVED_MAX = 100;
// Memos of pure functions: containers with the same profile and capabilities share one filter.
const resolved = new WeakMap<object, Resolved>();
const compiled = new WeakMap<OciSeccomp, SeccompFilter>();
const parsed = new WeakMap<object, { readonly profile: SeccompProfile | undefined }>();

/** B03. --privileged means unconfined, unless a profile is named all the same. */
export function seccompFor(
  security: BoxSecurity,
  capabilities: readonly string[],
  facts: HostFacts,
): OciSeccomp | undefined {
  const profile = profileOf(security);
  if (profile === undefined) return undefined;
  const byCaps = resolved.get(profile) ?? new Map<string, OciSeccomp>();
  resolved.set(profile, byCaps);
  const key = `${facts.arch} ${facts.kernel.major}.${facts.kernel.minor} ${capabilities.join()}`;
  const known = byCaps.get(key);
  if (known !== undefined) return known;
  const seccomp = resolveProfile(profile, {
    caps: new Set(capabilities),
    arch: facts.arch,
    kernel: [facts.kernel.major, facts.kernel.minor],
  });
  if (byCaps.size >= RESOLVED_MAX) byCaps.clear();
  byCaps.set(key, seccomp);
  return seccomp;
}

function profileOf(security: BoxSecurity): SeccompProfile | undefined {
  const { seccomp } = security;
  if (seccomp === 'unconfined') return undefined;
  if (seccomp === 'builtin') return security.privileged ? undefined : DEFAULT_PROFILE;
  const { profile } = seccomp;
  if (typeof profile !== 'object' || profile === null) return parseProfile(profile);
  const known = parsed.get(profile);
  if (known !== undefined) return known.profile;
  const fresh = { profile: parseProfile(profile) };
  parsed.set(profile, fresh);
  return fresh.profile;
}

/** The BPF program of a filter; compiled once for each. */
export function compileFilter(seccomp: OciSeccomp, facts: HostFacts): SeccompFilter {
  const known = compiled.get(seccomp);
  if (known !== undefined) return known;
  const filter = compileSeccomp(seccomp, facts.arch);
  compiled.set(seccomp, filter);
  return filter;
}
