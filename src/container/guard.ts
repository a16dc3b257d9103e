// Whether a verb may be done in a state, and Docker's text when it may not. The table is state.ts;
// this file only finds the words. Pure.
import { EngineError } from '#base/error.ts';
import type { ContainerRecord } from './record.ts';
import { allows, type Running, type Paused, type State, type Verb } from './state.ts';

export function guard(record: ContainerRecord, verb: Verb, ref: string = record.id): void {
  if (!allows(record.state.status, verb)) throw refusal(record, verb, ref);
}

export function isRunning(state: State): state is Running | Paused {
  return state.status === 'running' || state.status === 'paused';
}

/** Of what looks into a container or copies it, in any state in which it still is there. */
export function checkThere({ id, state }: ContainerRecord): void {
  if (state.status !== 'removing' && state.status !== 'dead') return;
  throw new EngineError('conflict', `container ${id} is marked for removal`);
}

function refusal(record: ContainerRecord, verb: Verb, ref: string): EngineError {
  const { id } = record;
  const { status } = record.state;
  const conflict = (text: string): EngineError => new EngineError('conflict', text);
  const notRunning = `container ${id} is not running`;
  const restarting = `Container ${id} is restarting, wait until the container is running`;
  switch (verb) {
    case 'start':
    case 'restart':
      if (status === 'paused') {
        return conflict('cannot start a paused container, try unpause instead');
      }
      if (status === 'running' || status === 'restarting') {
        return new EngineError('not_modified', 'container is already running');
      }
      return conflict('container is marked for removal and cannot be started');
    case 'stop':
      return new EngineError('not_modified', 'container is already stopped');
    case 'kill':
      return conflict(notRunning);
    case 'pause':
      if (status === 'paused') return conflict(`container ${id} is already paused`);
      return conflict(status === 'restarting' ? restarting : notRunning);
    case 'unpause':
      return conflict(`Container ${id} is not paused`);
    case 'exec':
      if (status === 'paused') {
        return conflict(`Container ${ref} is paused, unpause the container before exec`);
      }
      return conflict(status === 'restarting' ? restarting : notRunning);
    case 'remove':
      return removeRefusal(record, ref);
    case 'attach':
      if (status === 'paused') {
        return conflict(`container ${ref} is paused, unpause the container before attach`);
      }
      if (status === 'restarting') {
        return conflict(`container ${ref} is restarting, wait until the container is running`);
      }
      return conflict(`container ${ref} is marked for removal`);
    case 'update':
      return conflict(
        `Cannot update container ${id}: container is marked for removal and cannot be "update"`,
      );
    case 'top':
      return conflict(status === 'restarting' ? restarting : notRunning);
    case 'resize':
    case 'rename':
      return conflict(notRunning);
    default:
      return verb satisfies never;
  }
}

function removeRefusal(record: ContainerRecord, ref: string): EngineError {
  const { status } = record.state;
  if (status === 'removing') {
    return new EngineError('conflict', `removal of container ${ref} is already in progress`);
  }
  const why =
    status === 'paused'
      ? 'container is paused and must be unpaused first'
      : `container is ${status}: stop the container before removing or force remove`;
  return new EngineError('conflict', `cannot remove container "/${record.name}": ${why}`);
}
