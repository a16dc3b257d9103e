// ImageRecord -> `GET /images/json`, `/images/{name}/json` and `/history`.
import { formatTime, ZERO_TIME } from '#base/clock.ts';
import type { ImageConfig as ConfigRecord } from '#image/config.ts';
import type { HistoryRow } from '#image/history.ts';
import type { ImageRecord } from '#image/record.ts';
import type { ImageConfig, ImageHistoryEntry, ImageInspect, ImageSummary } from '#wire/image.ts';
import { olderThan } from '#wire/version.ts';
import { keySet, renderHealth } from '../container/render-config.ts';

const NOT_COUNTED = -1;

export function summarizeImages(
  images: readonly ImageRecord[],
  version: string,
): readonly ImageSummary[] {
  return images.map((image) => ({
    Containers: NOT_COUNTED,
    Created: seconds(image.created),
    Id: image.id,
    Labels: Object.keys(image.config.labels).length > 0 ? image.config.labels : null,
    ParentId: image.parent ?? '',
    RepoDigests: image.repoDigests,
    RepoTags: image.repoTags,
    SharedSize: NOT_COUNTED,
    Size: image.size,
    ...(olderThan(version, '1.44') ? { VirtualSize: image.size } : {}),
  }));
}

function renderOrigin({ config, container, containerConfig }: ImageRecord, version: string) {
  return {
    Container: container ?? '',
    ContainerConfig: renderImageConfig(containerConfig ?? config, version),
  };
}

export function renderImage(
  image: ImageRecord,
  from: { readonly version: string; readonly driver: string },
): ImageInspect {
  const config = renderImageConfig(image.config, from.version);
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: image.parent ?? '',
    // As dockerd: an image that says none itself has that of its last step.
    Comment: image.comment || (image.history.at(-1)?.comment ?? ''),
    ...(image.created === undefined ? {} : { Created: formatTime(image.created) }),
    DockerVersion: image.dockerVersion,
    Author: image.author,
    // docker-compose 1.29 reads the volumes there when it makes a container anew.
    ...(olderThan(from.version, '1.45') ? renderOrigin(image, from.version) : {}),
    Config: config,
    Architecture: image.architecture,
    ...(image.variant === '' ? {} : { Variant: image.variant }),
    Os: image.os,
    ...(image.osVersion === '' ? {} : { OsVersion: image.osVersion }),
    Size: image.size,
    ...(olderThan(from.version, '1.44') ? { VirtualSize: image.size } : {}),
    GraphDriver: { Data: null, Name: from.driver },
    RootFS: {
      Type: 'layers',
      ...(image.diffIds.length > 0 ? { Layers: image.diffIds } : {}),
    },
    Metadata: {
      LastTagTime: image.lastTagged === undefined ? ZERO_TIME : formatTime(image.lastTagged),
    },
  };
}

/** What a Config of an image never says; it went away in 1.50. */
const LEGACY = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

function renderImageConfig(config: ConfigRecord, version: string): ImageConfig {
  const list = (key: string, values: readonly string[] | undefined) =>
    values === undefined || values.length === 0 ? {} : { [key]: values };
  const text = (key: string, value: string | undefined) =>
    value === undefined || value === '' ? {} : { [key]: value };
  const fields: ImageConfig = {
    ...text('User', config.user),
    ...(config.exposedPorts.length > 0 ? { ExposedPorts: keySet(config.exposedPorts) } : {}),
    ...list('Env', config.env),
    ...list('Entrypoint', config.entrypoint),
    ...list('Cmd', config.cmd),
    ...(config.volumes.length > 0 ? { Volumes: keySet(config.volumes) } : {}),
    ...text('WorkingDir', config.workingDir),
    ...(Object.keys(config.labels).length > 0 ? { Labels: config.labels } : {}),
    ...text('StopSignal', config.stopSignal),
    ...(config.healthcheck === undefined ? {} : { Healthcheck: renderHealth(config.healthcheck) }),
    ...list('OnBuild', config.onBuild),
    ...list('Shell', config.shell),
  };
  return olderThan(version, '1.50') ? { ...LEGACY, ...fields } : fields;
}

export function renderHistory(rows: readonly HistoryRow[]): readonly ImageHistoryEntry[] {
  return rows.map((row) => ({
    Comment: row.comment,
    Created: seconds(row.created),
    CreatedBy: row.createdBy,
    Id: row.id,
    Size: row.size,
    Tags: row.tags.length > 0 ? row.tags : null,
  }));
}

/** Go's zero time is a long way before 1970. */
const ZERO_SECONDS = -62_135_596_800;

function seconds(time: bigint | undefined): number {
  return time === undefined ? ZERO_SECONDS : Number(time / 1_000_000_000n);
}
