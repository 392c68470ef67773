import type { CanonicalRecord, Checksum, EntityId, EventId, Operation } from '../change-event.ts';
import type { ErrorCode } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Position } from '../position.ts';

/**
 * How a record gets from one entity to another. The raw record that moves it becomes a leave for the entity it stood under.
 * Whoever owns that entity takes the source's row out and sends what it knew as a rejoin to the source's raw topic, from
 * where it goes to the entity the record is bound to by then. So nothing that was on its way before the move is lost.
 */
export const moveReasons = ['match-key', 'link', 'merge', 'split'] as const;
export type MoveReason = (typeof moveReasons)[number];

/** What stands on the raw topic where somebody moves a record by hand. */
export interface Relink {
  readonly eventId: string;
  readonly to: EntityId;
  readonly reason: MoveReason;
  readonly by: string | null;
}

/** Told to the entity that a record leaves. */
export interface Leave {
  /** Of the leave itself: the change in hand keeps its own for the entity it goes to. */
  readonly eventId: EventId;
  readonly to: EntityId;
  readonly reason: MoveReason;
  readonly by: string | null;
  readonly tenure: number;
  /** Whether the canonical record with it is a change that the record makes while it moves. */
  readonly hasChange: boolean;
  /** Why that change cannot be sent on: it is a dead letter, and the record moves without it. */
  readonly refused?: { readonly code: ErrorCode; readonly reason: string; readonly details: Readonly<Record<string, unknown>> };
}

export interface LeaveMessage {
  readonly record: CanonicalRecord;
  readonly leave: Leave;
}

/** What a source says of a record, as the entity knew it that the record left. */
export interface CarriedState {
  readonly eventId: EventId;
  readonly operation: Operation;
  readonly position: Position;
  readonly occurredAt: string;
  readonly correlationId: string;
  readonly checksum: Checksum | null;
  readonly data: JsonObject | null;
}

export interface Rejoin {
  readonly from: EntityId;
  /** The raw offset at which the record moved. */
  readonly movedAt: number;
  /** Null where nothing was known. */
  readonly state: CarriedState | null;
}
