import type { JsonObject } from '../json.ts';

/**
 * A record in the target's own shape, which is also the shape in which the connector's source half tells it: what is read
 * here can be mapped as a change of that source. A field that is absent is left as it is, or as the target makes it.
 */
export type TargetRow = JsonObject;

export type TargetDecision =
  /** What the target does not take as null it keeps, or makes itself. */
  | { readonly kind: 'write'; readonly row: TargetRow }
  | { readonly kind: 'delete' }
  | { readonly kind: 'leave' }
  /** Write the row, and keep that only if the target then holds what was found: it is what the target makes of this row. */
  | { readonly kind: 'probe'; readonly row: TargetRow };

export interface TargetChange {
  readonly key: string;
  /**
   * Asked with what stands there while nobody else can change it, or, at a target that has no such moment, as shortly
   * before the write as can be. Pure: it may be asked again.
   */
  decide(found: TargetRow | null): TargetDecision;
}

export type TargetResult =
  /** `returned` is what the target made of it; null after a deletion. */
  | { readonly kind: 'written'; readonly replaced: TargetRow | null; readonly returned: TargetRow | null }
  | { readonly kind: 'left'; readonly found: TargetRow | null };

/** The data of a change is at fault, not the world. With several changes in hand it does not say which: bisect. */
export class TargetRejected extends Error {
  readonly details: Readonly<Record<string, unknown>>;

  constructor(reason: string, details: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(reason, { cause });
    this.details = details;
  }
}

export interface TargetConnector {
  /**
   * Finds the tables and permissions it needs. Rejects with `target.misconfigured`, which says what to do about it, or
   * with `target.unavailable`. Called before anything else and again after every failure.
   */
  open(): Promise<void>;
  /** The key of a row of ours; undefined where a part of it is missing. */
  keyOf(kind: string, row: TargetRow): string | undefined;
  /**
   * All changes or none, in one transaction where the target has them; results in the order of the changes, whose keys
   * differ. Rejects with `TargetRejected` where data are at fault, and nothing happened; with `target.unavailable` or
   * `target.misconfigured` otherwise, within a time limit of its own, and then it may have happened. Several calls may
   * run at once.
   */
  write(kind: string, changes: readonly TargetChange[]): Promise<readonly TargetResult[]>;
  /** The opener calls it once, when no call is under way. */
  close(): Promise<void>;
}
