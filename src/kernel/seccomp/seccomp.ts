// Seccomp filters from profiles. This folder compiles; it installs nothing (the C program does,
// with seccomp(2)) and knows nothing of --security-opt.
import { compileSeccomp, type SeccompFilter } from './compile.ts';
import { DEFAULT_PROFILE } from './default-profile.ts';
import type { SeccompProfile } from './profile.ts';
import { resolveProfile, type SeccompFacts } from './resolve.ts';

/** Filters of the default profile kept: one for each set of capabilities in use. */
const DEFAULT_FILTERS_MAX = 64;

const defaultFilters = new Map<string, SeccompFilter>();

export function compileProfile(profile: SeccompProfile, facts: SeccompFacts): SeccompFilter {
  return compileSeccomp(resolveProfile(profile, facts), facts.arch);
}

/** The filter of the default profile. Nearly every start asks for the same one, so it is kept. */
export function defaultFilter(facts: SeccompFacts): SeccompFilter {
  const key = [facts.arch, ...facts.kernel, ...[...facts.caps].sort()].join(' ');
  const kept = defaultFilters.get(key);
  if (kept !== undefined) return kept;
  const compiled = compileProfile(DEFAULT_PROFILE, facts);
  if (defaultFilters.size >= DEFAULT_FILTERS_MAX) defaultFilters.clear();
  defaultFilters.set(key, compiled);
  return compiled;
}
