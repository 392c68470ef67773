import type { JsonObject } from '../core/json.ts';
import type { Sighting, Subject } from '../core/verify/finding.ts';

export interface ComparedChunk {
  /** How many records were looked at. */
  readonly records: number;
  /** All of them, or those that are not equal. */
  readonly sightings: readonly Sighting[];
  /** Where the next chunk begins; null where the pass is over. */
  readonly next: JsonObject | null;
}

/** One kind of one system and what it is held against. */
export interface Comparison {
  /** The ways in which it is read, one after the other: what only one side has is met by reading that side. */
  readonly passes: readonly string[];
  /** Whether what is seen is so: nothing can be on its way between the two sides. */
  readonly certain: boolean;
  /** The target whose writes have to be waited for; null where it is none. */
  readonly target: string | null;
  /** How long a change there may stand before anybody looks for it: as long, and what is asked for besides, nothing is looked at again. */
  readonly toldAfterMs: number;
  /** Before the first chunk, and again after a failure. Rejects where nothing can be compared at present, and says why. */
  open(): Promise<void>;
  chunk(pass: string, after: JsonObject | null, limit: number): Promise<ComparedChunk>;
  /** Whether everything that had happened there by this time was told by now; waits a while for it. */
  isToldSince(sinceMs: number, signal: AbortSignal): Promise<boolean>;
  /** In the order of the subjects. */
  again(subjects: readonly Subject[]): Promise<readonly Sighting[]>;
}
