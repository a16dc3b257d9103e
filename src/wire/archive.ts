// Files out of and into containers: what the header X-Docker-Container-Path-Stat holds, in base64.

export type ContainerPathStat = {
  readonly name: string;
  readonly size: number;
  /** As Go's os.FileMode has it, not st_mode. */
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
};

/** 0 changed, 1 added, 2 deleted. */
export type FilesystemChange = { readonly Path: string; readonly Kind: 0 | 1 | 2 };

export type CommitReply = { readonly Id: string };
