// The /images endpoints.
import type { HealthConfig, KeySet, StringMap, Strings } from './container-config.ts';
import type { GraphDriver } from './container.ts';

/** An image's configuration; below 1.50 empty fields are null, since then they are left out. */
export type ImageConfig = {
  readonly User?: string;
  readonly ExposedPorts?: KeySet;
  readonly Env?: Strings | null;
  readonly Entrypoint?: Strings | null;
  readonly Cmd?: Strings | null;
  readonly Volumes?: KeySet | null;
  readonly WorkingDir?: string;
  readonly Labels?: StringMap | null;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: HealthConfig;
  readonly OnBuild?: Strings | null;
  readonly Shell?: Strings;
};

export type ImageInspect = {
  readonly Id: string;
  readonly RepoTags: Strings;
  readonly RepoDigests: Strings;
  readonly Parent: string;
  readonly Comment: string;
  readonly Created?: string;
  readonly DockerVersion: string;
  readonly Author: string;
  /** Below 1.45 only: of the container that the image was made from. */
  readonly Container?: string;
  readonly ContainerConfig?: ImageConfig;
  /** An ImageConfig; below 1.50 with the empty fields of a container's. */
  readonly Config: ImageConfig | null;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly OsVersion?: string;
  readonly Size: number;
  /** Below 1.44 only. */
  readonly VirtualSize?: number;
  readonly GraphDriver: GraphDriver;
  readonly RootFS: { readonly Type: string; readonly Layers?: Strings };
  readonly Metadata: { readonly LastTagTime: string };
};

export type ImageSummary = {
  /** -1 = not counted. */
  readonly Containers: number;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Id: string;
  readonly Labels: StringMap | null;
  readonly ParentId: string;
  readonly RepoDigests: Strings;
  readonly RepoTags: Strings;
  /** -1 = not counted. */
  readonly SharedSize: number;
  readonly Size: number;
  readonly VirtualSize?: number;
};

export type ImageHistoryEntry = {
  readonly Comment: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Id: string;
  readonly Size: number;
  readonly Tags: Strings | null;
};

/** One object of the answer of `DELETE /images/{name}`. */
export type ImageDeleteItem = { readonly Untagged?: string; readonly Deleted?: string };

export type ImagePruneReply = {
  readonly ImagesDeleted: readonly ImageDeleteItem[] | null;
  readonly SpaceReclaimed: number;
};

/** One line of a progress stream: pull, push, load, import, build. */
export type ProgressMessage = {
  readonly stream?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly progress?: string;
  readonly id?: string;
  readonly aux?: unknown;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
  readonly error?: string;
};

/** `POST /auth`. */
export type AuthReply = { readonly IdentityToken: string; readonly Status: string };

/** `GET /distribution/{name}/json`. */
export type DistributionInspect = {
  readonly Descriptor: {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
  };
  readonly Platforms: readonly {
    readonly architecture: string;
    readonly os: string;
    readonly 'os.version'?: string;
    readonly 'os.features'?: Strings;
    readonly variant?: string;
  }[];
};

/** One row of `GET /images/search`. */
export type SearchResult = {
  readonly star_count: number;
  readonly is_official: boolean;
  readonly name: string;
  readonly is_automated: boolean;
  readonly description: string;
};

/** What the docker CLI sends in X-Registry-Auth and to `POST /auth`. */
export type AuthConfig = {
  readonly username?: string;
  readonly password?: string;
  readonly serveraddress?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
};
