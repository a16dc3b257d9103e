// Coracle's own: GET /coracle/images/{name}/explore.

export type ExploreChange = {
  readonly Path: string;
  /** As `docker diff`. */
  readonly Kind: 'A' | 'C' | 'D';
  readonly Directory: boolean;
  readonly Bytes: number;
  /** Of the layers below, that nobody sees any more because of this. */
  readonly Wasted: number;
};

export type ExploreLayer = {
  readonly DiffId: string;
  readonly CreatedBy: string;
  readonly Bytes: number;
  readonly Wasted: number;
  readonly Changes: readonly ExploreChange[];
};

export type ExploreReply = {
  readonly Id: string;
  readonly Name: string;
  readonly Bytes: number;
  readonly Wasted: number;
  /** Of 100. */
  readonly WastedPercent: number;
  /** The lowest first. */
  readonly Layers: readonly ExploreLayer[];
};
