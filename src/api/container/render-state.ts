// A container's state in Docker's words: inspect's State, and the Status column of ps.
import { formatTime, ZERO_TIME } from '#base/clock.ts';
import type { ContainerView } from '#container/engine.ts';
import type { ContainerState, ContainerStatus } from '#wire/container.ts';
import { formatAge } from './age.ts';

/** In Docker's order, which inspect shows. */
const RESTING = {
  Status: 'created',
  Running: false,
  Paused: false,
  Restarting: false,
  OOMKilled: false,
  Dead: false,
  Pid: 0,
  ExitCode: 0,
  Error: '',
  StartedAt: ZERO_TIME,
  FinishedAt: ZERO_TIME,
} as const;

export function renderState(view: ContainerView): ContainerState {
  const failed = view.startError;
  const state = { ...renderOf(view.state), ...renderEnd(view), ...renderHealth(view) };
  // A failed start leaves the state as it was, but says why and how (docker inspect shows both).
  return failed === undefined
    ? state
    : { ...state, Error: failed.message, ExitCode: failed.exitCode };
}

/** What runs tells when it last ended. */
function renderEnd({ state, finishedAt }: ContainerView): Partial<ContainerState> {
  const runs = state.status === 'running' || state.status === 'paused';
  return runs && finishedAt !== undefined ? { FinishedAt: time(finishedAt) } : {};
}

function renderHealth({ health }: ContainerView): Pick<ContainerState, 'Health'> {
  if (health === undefined) return {};
  const { status, failingStreak, log } = health;
  return {
    Health: {
      Status: status,
      FailingStreak: failingStreak,
      Log: log.map(({ start, end, exitCode, output }) => ({
        Start: time(start),
        End: time(end),
        ExitCode: exitCode,
        Output: output,
      })),
    },
  };
}

function renderOf(state: ContainerView['state']): ContainerState {
  switch (state.status) {
    case 'created':
      return RESTING;
    case 'running':
    case 'paused':
      return {
        ...RESTING,
        Status: state.status,
        Running: true,
        Paused: state.status === 'paused',
        Pid: state.pid,
        StartedAt: time(state.startedAt),
      };
    case 'restarting':
    case 'exited':
      return {
        ...RESTING,
        Status: state.status,
        // Docker counts a container between two runs as running.
        Running: state.status === 'restarting',
        Restarting: state.status === 'restarting',
        OOMKilled: state.exit.oomKilled,
        ExitCode: state.exit.exitCode,
        Error: state.exit.error,
        StartedAt: time(state.startedAt),
        FinishedAt: time(state.exit.finishedAt),
      };
    case 'removing':
      return { ...renderOf(state.before), Status: 'removing', Running: false, Pid: 0 };
    case 'dead':
      return { ...RESTING, Status: 'dead', Dead: true, Error: state.error };
    default:
      return state satisfies never;
  }
}

export function statusOf(view: ContainerView): ContainerStatus {
  return view.state.status;
}

/** "Up 5 seconds", "Exited (0) 2 minutes ago", "Created" ... */
export function statusText(view: ContainerView, now: bigint): string {
  const { state } = view;
  switch (state.status) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${formatAge(now - state.startedAt)}${healthText(view)}`;
    case 'paused':
      return `Up ${formatAge(now - state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exit.exitCode}) ${formatAge(now - state.exit.finishedAt)} ago`;
    case 'exited':
      return `Exited (${state.exit.exitCode}) ${formatAge(now - state.exit.finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    default:
      return state satisfies never;
  }
}

function healthText({ health }: ContainerView): string {
  if (health === undefined) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}

function time(nanoseconds: bigint): string {
  return nanoseconds === 0n ? ZERO_TIME : formatTime(nanoseconds);
}
