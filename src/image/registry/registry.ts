// What pull, push, login and `distribution` ask of a registry (OCI distribution-spec, Docker
// Registry HTTP API v2). The contract only: how a host is reached (TLS, mirrors, tokens, retries)
// is behind it, in a worker thread that exists while there is work.
import type { Digest } from '#base/digest.ts';
import type { Reference } from '#base/reference.ts';

/** What a client sent in X-Registry-Auth; every field may be ''. */
export type RegistryAuth = {
  readonly username: string;
  readonly password: string;
  /** A refresh token, for OAuth2. */
  readonly identityToken: string;
  /** A bearer token, used as it is. */
  readonly registryToken: string;
  readonly serverAddress: string;
};

export type RegistryAction = 'pull' | 'push';

/** A manifest, config or layer as a registry names it. */
export type BlobName = { readonly digest: Digest; readonly size: number };

export type FetchedManifest = {
  readonly bytes: Uint8Array;
  /** Of the bytes, computed here; checked when the reference has a digest. */
  readonly digest: Digest;
  readonly mediaType: string;
};
export type ManifestHead = Omit<FetchedManifest, 'bytes'> & { readonly size: number };

export type TransferOptions = {
  readonly signal: AbortSignal;
  /** Bytes that are there now, of all; told a few times a second at most. */
  readonly onProgress?: (current: number) => void;
  /** A request is made again after this many seconds, because of what is said here. */
  readonly onRetry?: (seconds: number, reason: string) => void;
};

/** One repository at one registry, for one caller's credentials. */
export interface Repository {
  /**
   * By the reference's tag or digest. Throws not_found, unauthorized, forbidden … in dockerd's
   * words.
   */
  manifest(options: TransferOptions): Promise<FetchedManifest>;
  /** A manifest of an index, or any other by digest. */
  manifestBy(digest: Digest, options: TransferOptions): Promise<FetchedManifest>;
  head(options: TransferOptions): Promise<ManifestHead>;
  /** All tags of the repository, in the registry's order; for `pull --all-tags`. */
  tags(options: TransferOptions): Promise<readonly string[]>;
  /**
   * Appends to the file what it does not have yet (its bytes so far are hashed again first), by
   * Range where the server can, and checks digest and size of the whole. Cut connections are
   * resumed. On failure the file stays as far as it came, except when its digest is wrong: then
   * it is emptied.
   */
  download(blob: BlobName, file: string, options: TransferOptions): Promise<void>;
  hasBlob(digest: Digest, options: TransferOptions): Promise<boolean>;
  /** True if the registry took it from the other repository; false: it must be uploaded. */
  mountBlob(digest: Digest, from: string, options: TransferOptions): Promise<boolean>;
  /** Sends a file as a blob; one that breaks is begun again. */
  upload(blob: BlobName, file: string, options: TransferOptions): Promise<void>;
  putManifest(
    tagOrDigest: string,
    bytes: Uint8Array,
    mediaType: string,
    options: TransferOptions,
  ): Promise<Digest>;
}

export type SearchWish = {
  /** "docker.io", or another registry that has Docker Hub's search API. */
  readonly host: string;
  readonly term: string;
  readonly limit: number;
  readonly auth: RegistryAuth | undefined;
};
export type SearchResult = {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
};

export interface Registries extends AsyncDisposable {
  /** Throws `forbidden` for a registry that the configuration blocks. No request is made. */
  repository(name: Reference, action: RegistryAction, auth: RegistryAuth | undefined): Repository;
  /** Checks credentials; answers an identity token where the registry gives one, else ''. */
  login(auth: RegistryAuth, options: TransferOptions): Promise<{ readonly identityToken: string }>;
  /** Throws not_implemented for a registry without search. */
  search(wish: SearchWish, options: TransferOptions): Promise<readonly SearchResult[]>;
}

/** How registries are reached; daemon/ makes it from flags and the config file. */
export type RegistryConfig = {
  /**
   * host[:port] or CIDR: plain HTTP and unverified TLS are tried. 127.0.0.0/8 and ::1 always are in
   * it.
   */
  readonly insecure: readonly string[];
  /** Base URLs to read from first, by registry ("docker.io", "*" for any). */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** Registries that are never contacted: a name, or "*.example.com". */
  readonly blocked: readonly string[];
  /** Folder of HOST[:PORT]/{*.crt,*.cert,*.key}: "/etc/docker/certs.d" has the same form. */
  readonly certsDirectories: readonly string[];
  readonly downloadsMax: number;
  readonly uploadsMax: number;
  /** Attempts of one request or transfer. */
  readonly attemptsMax: number;
  /** Bytes a second over all downloads; 0 is no limit. */
  readonly downloadRate: number;
};
