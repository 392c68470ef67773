/** The pairs of sources as the tables know them; the pairs' differences are read through `ReadStore`. */
export interface RebuildFilter {
  readonly leftSource?: string | undefined;
  readonly rightSource?: string | undefined;
  readonly kind?: string | undefined;
}

export interface DifferenceRebuilds {
  /** Has everything of these pairs compared anew, soon, by the sync manager. Resolves to how many pairs that are. */
  request(filter: RebuildFilter): Promise<number>;
}
