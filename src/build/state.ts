// Where a stage stands: the config that its image will have, and its layers. A step makes a new
// state from the one before.
import { createHash } from 'node:crypto';
import type { Nanoseconds } from '#base/clock.ts';
import { sha256 } from '#base/digest.ts';
import type { ImageConfig, ImageSpec } from '#image/config.ts';
import type { ImageId, ImageRecord, LayerBlob } from '#image/record.ts';
import { type ChainId, chainOf } from '#snapshot/chain.ts';
import { EMPTY_CONFIG, encodeImageSpec } from '#image/config.ts';
import type { Platform } from '#image/platform.ts';

export type State = {
  readonly spec: ImageSpec;
  readonly layers: readonly LayerBlob[];
  /** The base image, if there is one. */
  readonly parent: ImageId | undefined;
  /** CMD was said in this stage. */
  readonly cmdIsOwn: boolean;
  /** What FROM of this stage named; undefined = nothing (scratch). */
  readonly from: StageBase | undefined;
};

/** An image, or where another stage has ended. */
export type StageBase = Pick<State, 'spec' | 'layers'> & { readonly id: ImageId };

export function scratchState(platform: Platform): State {
  return {
    spec: {
      created: undefined,
      author: '',
      comment: '',
      dockerVersion: '',
      architecture: platform.architecture,
      variant: platform.variant,
      os: platform.os,
      osVersion: '',
      config: EMPTY_CONFIG,
      diffIds: [],
      history: [],
    },
    layers: [],
    parent: undefined,
    cmdIsOwn: false,
    from: undefined,
  };
}

export function imageState(image: ImageRecord): State {
  const state = stateOf(image);
  return { ...state, from: { ...state, id: image.id } };
}

/** Where another stage goes on. */
export function stageState(state: State): State {
  const id = sha256(encodeImageSpec(state.spec));
  return { ...state, cmdIsOwn: false, from: { spec: state.spec, layers: state.layers, id } };
}

function stateOf(image: ImageRecord): Omit<State, 'from'> {
  const { created, author, dockerVersion, architecture, variant, os, osVersion } = image;
  return {
    spec: {
      created,
      author,
      comment: '',
      dockerVersion,
      architecture,
      variant,
      os,
      osVersion,
      config: image.config,
      diffIds: image.diffIds,
      history: image.history,
    },
    layers: image.layers,
    parent: image.id,
    cmdIsOwn: false,
  };
}

export function chainOfState(state: State): ChainId | undefined {
  return chainOf(state.spec.diffIds);
}

export type Step = {
  readonly config: ImageConfig;
  /** As `docker history` shows it. */
  readonly createdBy: string;
  readonly created: Nanoseconds;
  readonly layer: LayerBlob | undefined;
  readonly author?: string;
  readonly cmdIsOwn?: boolean;
};

export function nextState(state: State, step: Step): State {
  const { spec } = state;
  const { config, created, createdBy, layer } = step;
  const author = step.author ?? spec.author;
  const entry = { created, createdBy, author, comment: '', emptyLayer: layer === undefined };
  return {
    ...state,
    cmdIsOwn: step.cmdIsOwn ?? state.cmdIsOwn,
    layers: layer === undefined ? state.layers : [...state.layers, layer],
    spec: {
      ...spec,
      config,
      created,
      author,
      diffIds: layer === undefined ? spec.diffIds : [...spec.diffIds, layer.diffId],
      history: [...spec.history, entry],
    },
  };
}

/**
 * What a step's result depends on of all that came before: layers by content, and the whole config;
 * not when or by whom it was made.
 */
export function digestOf(state: State): string {
  const { config, diffIds, architecture, os, variant } = state.spec;
  return hashOf([config, diffIds, architecture, os, variant]);
}

/** What containers of a build call the image that they are made of. */
export function imageRef(state: State): string {
  return `sha256:${digestOf(state)}`;
}

/** Of values that JSON can say; keys of objects in their order. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
