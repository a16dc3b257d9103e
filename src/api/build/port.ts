// What the build endpoints ask of build/, narrow enough for a test to stand in.
import type { BuildService } from '#build/service.ts';

export type BuildPort = Pick<BuildService, 'build' | 'prune' | 'takeAgentCall' | 'usage'>;
