import { hash } from 'node:crypto';
import type { EntityId } from '../change-event.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { StateRow } from '../ports/sync-store.ts';
import type { Knowledge } from './voice.ts';

export const conflictTypes = [
  /** Two sources changed the same field to different values without knowing of each other. */
  'concurrent-update',
  /** One source deleted what another changed meanwhile. */
  'update-delete',
  /** Two sources were found with different values. */
  'create-create',
  /** A target refused the golden record. */
  'constraint-violation',
  /** The sides of a field are of different types, or what should be counted is no number. */
  'type-mismatch',
  /** A field that a system changes back again and again after our writes. */
  'flapping',
] as const;
export type ConflictType = (typeof conflictTypes)[number];

export const conflictStatuses = ['open', 'resolved', 'skipped'] as const;
export type ConflictStatus = (typeof conflictStatuses)[number];

/** How one field of a conflict stands. `decided`: the policy did it at once. */
export type ConflictFieldStatus = 'open' | 'decided' | 'resolved' | 'skipped' | 'converged' | 'superseded';

export type ConflictSide = { source: string; eventId: string; atMs: number; value?: JsonValue };

export type ConflictField = {
  status: ConflictFieldStatus;
  rule: string;
  /** What the changing source had before; absent where it had nothing. */
  base?: JsonValue;
  /** Whose value stands in the golden record. */
  holder: string;
  value?: JsonValue;
  sides: ConflictSide[];
};

/** In conflicts of type update-delete the only field is `deleted`: true or false. */
export const existenceField = 'deleted';

/** A conflict that waits for somebody; kept in the golden row's voice and written whole into the log whenever it moves. */
export type OpenConflict = {
  type: ConflictType;
  waitsFor: 'manual' | 'webhook';
  /** Whose change brought it. */
  source: string;
  fields: Record<string, ConflictField>;
};

/** Kept beside the golden record. */
export interface GoldenVoice {
  /** The policy that made it: another one makes it anew. */
  readonly policy: string;
  readonly of: Knowledge;
  readonly open?: Readonly<Record<string, OpenConflict>>;
  /** Where the last record of an emptied entity went. */
  readonly mergedInto?: EntityId;
}

export interface GoldenRow extends StateRow {
  readonly voice: GoldenVoice | null;
}

/** A line of the conflict log. The same id comes again when an open conflict moves or closes. */
export interface Conflict {
  readonly conflictId: string;
  readonly entityId: EntityId;
  readonly kind: string;
  readonly sourceType: string;
  readonly conflictType: ConflictType;
  readonly status: ConflictStatus;
  /** What decided or waits: a rule, `operator`, `skipped`, `converged`, `superseded`; `several` where fields differ. */
  readonly resolution: string;
  readonly fields: readonly string[];
  readonly details: JsonObject;
}

/** The same conflict always gets the same id: a UUIDv8 of the entity, the fields and the events at odds. */
export function conflictIdOf(entityId: EntityId, type: ConflictType, fields: Readonly<Record<string, ConflictField>>): string {
  const names = Object.keys(fields).sort();
  const events: string[] = [];
  for (const name of names) {
    for (const { source, eventId } of fields[name]!.sides) {
      const event = `${source} ${eventId}`;
      if (!events.includes(event)) events.push(event);
    }
  }
  const digest = hash('sha256', JSON.stringify([entityId, type, names, events.sort()]), 'hex');
  const variant = ((Number.parseInt(digest[15]!, 16) & 0x3) | 0x8).toString(16);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(12, 15)}-${variant}${digest.slice(16, 19)}-${digest.slice(19, 31)}`;
}

export function conflictOf(entityId: EntityId, kind: string, conflictId: string, conflict: OpenConflict): Conflict {
  const fields = Object.values(conflict.fields);
  const status = statusOf(fields);
  return {
    conflictId,
    entityId,
    kind,
    sourceType: conflict.source,
    conflictType: conflict.type,
    status,
    resolution: status === 'open' ? conflict.waitsFor : resolutionOf(fields),
    fields: Object.keys(conflict.fields).sort(),
    details: { fields: conflict.fields },
  };
}

function statusOf(fields: readonly ConflictField[]): ConflictStatus {
  if (fields.some((field) => field.status === 'open')) return 'open';
  return fields.every((field) => field.status === 'skipped') ? 'skipped' : 'resolved';
}

function resolutionOf(fields: readonly ConflictField[]): string {
  const way = wayOf(fields[0]!);
  return fields.every((field) => wayOf(field) === way) ? way : 'several';
}

function wayOf({ status, rule }: ConflictField): string {
  return status === 'decided' ? rule : status === 'resolved' ? 'operator' : status;
}
