// What `import ... from 'coracle'` offers; docs/library.md explains it with examples.
export type { Tls } from '#client/endpoint.ts';
export type { ContainerPathStat, FilesystemChange } from '#wire/archive.ts';
export type {
  ContainerCreateBody,
  ContainerUpdateBody,
  HealthConfig,
  HostConfig,
  Mount,
} from '#wire/container-config.ts';
export type { ContainerInspect, ContainerSummary } from '#wire/container.ts';
export type { EventMessage } from '#wire/event.ts';
export type { AuthConfig, ImageInspect, ImageSummary, ProgressMessage } from '#wire/image.ts';
export type { NetworkInspect } from '#wire/network.ts';
export type { ContainerStats } from '#wire/stats.ts';
export type { DiskUsage, Info, Version } from '#wire/system.ts';
export type { Volume as VolumeInspect } from '#wire/volume.ts';
export type { CallOptions, Filters, FilterOptions, Moment } from './call.ts';
export {
  Container,
  type AttachOptions,
  type ExecOptions,
  type LogOptions,
  type RemoveOptions,
  type StopOptions,
  type WaitOptions,
} from './container.ts';
export { Containers, type ListOptions } from './containers.ts';
export { Engine, type EngineOptions, type EventOptions, type RunOptions } from './engine.ts';
export { EngineError } from './error.ts';
export {
  type BuildOptions,
  Image,
  Images,
  type LoadOptions,
  type TransferOptions,
} from './images.ts';
export { Network, Networks, type NetworkOptions } from './networks.ts';
export { Process, type ProcessResult, Session, type Window } from './session.ts';
export type { CreateOptions } from './spec.ts';
export type { LogLine, OutputChunk, OutputStream } from './stream.ts';
export { Volume, Volumes, type VolumeOptions } from './volumes.ts';
