import type { Checksum, EntityId, EventId } from '../change-event.ts';
import type { Knowledge } from '../conflict/voice.ts';
import type { ErrorCode } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Position } from '../position.ts';
import type { PartitionRef } from './event-log.ts';
import type { TargetRow } from './target-connector.ts';

/** What a process holds of a resolved partition on behalf of one target. */
export interface TargetLease extends PartitionRef {
  readonly target: string;
  readonly token: number;
  readonly nextOffset: number;
}

/** The truth as it stands now, which is what is written whatever brought us to look. */
export interface GoldenView {
  readonly version: number;
  readonly deleted: boolean;
  readonly data: JsonObject | null;
  readonly eventId: EventId;
  /** Empty where the target is no source: it is not told. */
  readonly knowledge: Knowledge;
}

/** What the target says as a source. */
export interface OwnView {
  readonly turn: number;
  readonly position: Position | null;
  readonly data: JsonObject | null;
}

/** What the target holds of an entity as far as we wrote it. */
export interface TargetState {
  readonly key: string;
  readonly version: number;
  /** Of the row that we meant; null: that it should be gone. */
  readonly intended: Checksum | null;
  /** Of what the target made of it, in the form that is compared. */
  readonly checksum: Checksum | null;
  /** How often in a row the target turned back what we wrote. */
  readonly flips: number;
  readonly frozen: boolean;
}

export type EchoState = 'pending' | 'written' | 'acknowledged';

/** A write-back that is about to be made. */
export interface NewEcho {
  readonly id: string;
  readonly entityId: EntityId;
  readonly kind: string;
  readonly key: string;
  readonly version: number;
  readonly eventId: EventId;
  /** The turn of the target's own row that it is conditional on. */
  readonly through: number;
  readonly knowledge: Knowledge;
  /** Of what is expected there, in the form that is compared; null: nothing. */
  readonly expected: Checksum | null;
  readonly intended: TargetRow | null;
  /** What is expected there in canonical form, of a target that is a source too. */
  readonly replaced: JsonObject | null;
  /** Of the record as its system will tell it, in canonical form; null where that is not known beforehand, or where none will be left. */
  readonly echo: Checksum | null;
}

export interface Echo extends NewEcho {
  readonly state: EchoState;
  readonly returned: JsonObject | null;
  readonly updatedAtMs: number;
  /** Something that the system said was taken for what it was before this write, or for its echo: only a look tells. */
  readonly doubted: boolean;
}

/** Everything the tables say of an entity and a target, at one moment. */
export interface TargetView {
  readonly entityId: EntityId;
  readonly golden: GoldenView;
  readonly own: OwnView | null;
  /** The target's key of the entity, where one is bound. */
  readonly boundKey: string | null;
  readonly state: TargetState | null;
  /** Oldest first. Of those that were acknowledged only the newest, and those in doubt. */
  readonly echoes: readonly Echo[];
}

export interface NewTargetLetter {
  readonly entityId: EntityId;
  /** What the target goes by in the conflict log. */
  readonly targetType: string;
  readonly kind: string;
  readonly key: string | null;
  readonly version: number;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export const targetLetterStatuses = ['parked', 'replaying', 'applied', 'superseded', 'discarded'] as const;
export type TargetLetterStatus = (typeof targetLetterStatuses)[number];

export interface TargetLetter extends Omit<NewTargetLetter, 'code' | 'targetType'> {
  readonly id: string;
  readonly target: string;
  readonly code: string;
  readonly status: TargetLetterStatus;
  readonly attempts: number;
  readonly failedAt: string;
}

/** What became of a batch at the target. */
export interface TargetSettlement {
  readonly written: readonly {
    readonly id: string;
    /** Absent where it was what was noted down before. */
    readonly replaced?: JsonObject | null;
    readonly returned: JsonObject | null;
    /** Of `returned`. */
    readonly echo: Checksum | null;
  }[];
  /** Write-backs that were not made, or that nobody has to hear of: nothing is kept of them. */
  readonly closed: readonly string[];
  /** Write-backs of which there is no doubt any more: what stands there was looked at after it came up. */
  readonly assured: readonly string[];
  readonly states: readonly (TargetState & { readonly entityId: EntityId; readonly kind: string })[];
  readonly letters: readonly NewTargetLetter[];
  /** Entities of which the target holds this version now: what lay in the letters is settled. */
  readonly reached: readonly { readonly entityId: EntityId; readonly version: number }[];
  readonly counts: GuardCounts;
}

export interface GuardCounts {
  /** By how much the records there became more. */
  readonly known: number;
  readonly changed: number;
  readonly deleted: number;
}

export interface GuardState {
  readonly state: 'running' | 'paused';
  readonly reason: string | null;
  readonly known: number;
  readonly changed: number;
  readonly deleted: number;
  readonly windowFromMs: number;
  readonly approvedUntilMs: number | null;
}

/** The system as the tables know it. `sourceType` is null where it is no source. */
export interface TargetIdentity {
  readonly name: string;
  readonly sourceType: string | null;
}

export interface TargetStore {
  /** Takes the partition over from whoever had it. */
  acquire(target: string, ref: PartitionRef): Promise<TargetLease>;
  /** Entities without a golden record are left out. One statement: what it says was true at one moment. */
  look(target: TargetIdentity, kind: string, entityIds: readonly EntityId[]): Promise<readonly TargetView[]>;
  /**
   * Binds keys that records will get at a target that is a source too, so that they find their entity when they come
   * back. Answers with those that belong to another entity.
   */
  bind(
    source: string,
    kind: string,
    keys: readonly { readonly entityId: EntityId; readonly key: string }[],
  ): Promise<ReadonlyMap<EntityId, EntityId>>;
  /** Notes down what is about to be written. False: the lease is lost, and nothing was noted. */
  begin(lease: TargetLease, echoes: readonly NewEcho[]): Promise<boolean>;
  /** One transaction. False: the lease is lost, and nothing happened. `windowMs` is the guard's. */
  settle(lease: TargetLease, settlement: TargetSettlement, windowMs: number): Promise<boolean>;
  /** By compare-and-set; null: the lease is lost. */
  advance(lease: TargetLease, nextOffset: number): Promise<TargetLease | null>;
  /** Entities of the partition whose letters somebody wants tried again. */
  replaying(lease: TargetLease, limit: number): Promise<readonly EntityId[]>;
  guard(target: string): Promise<GuardState>;
  pause(target: string, reason: string): Promise<void>;
}
