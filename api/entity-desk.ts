import type { FieldExplanation } from '../core/conflict/explain.ts';
import { explain } from '../core/conflict/explain.ts';
import { fieldOrigins } from '../core/conflict/field-origin.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import { SyncError } from '../core/errors.ts';
import type { JsonValue } from '../core/json.ts';
import type { EntityStore } from '../core/ports/entity-store.ts';

export interface EntityDeskDeps {
  readonly store: EntityStore;
  /** What the configuration has, by kind. */
  readonly kinds: ReadonlyMap<string, { readonly policy: ConflictPolicy }>;
}

/** Why one field has its value, with times. */
export interface FieldWhy {
  readonly field: string;
  readonly value?: JsonValue;
  readonly source: string | null;
  readonly eventId: string | null;
  readonly at: string | null;
  readonly rule: string;
  readonly overrode: readonly {
    readonly source: string;
    readonly value?: JsonValue;
    readonly eventId: string;
    readonly at: string | null;
  }[];
}

export interface EntityWhy {
  readonly entityId: string;
  readonly kind: string;
  readonly version: number | null;
  readonly deleted: boolean;
  /** Where its last record went. */
  readonly mergedInto: string | null;
  readonly fields: readonly FieldWhy[];
}

/** How far a field's beginning is looked for where no voice was kept. */
const saidMax = 500;

/** Why an entity is as it is, from the stored rows and the policy that made them. */
export async function whyEntity({ store, kinds }: EntityDeskDeps, entityId: string): Promise<EntityWhy> {
  const view = await store.rowsOf(entityId);
  if (view === null) throw unknownEntity(entityId);
  const { golden, rows } = view;
  const kind = golden?.kind ?? rows[0]!.kind;
  const policy = kinds.get(kind)?.policy;
  if (policy === undefined) {
    throw new SyncError(
      'request.not-found',
      `no source of the configuration has the kind ${kind} any more: its rules are not known`,
    );
  }
  const explained = explain(policy, view);
  const origins = await originsOf(store, view.rows[0]?.voice === null && rows.length === 1 ? rows[0] : undefined);
  const whys = [...explained].filter(([, { value }]) => value !== undefined);
  const traced = whys.map(([field, why]): [string, FieldExplanation] => [
    field,
    { ...why, eventId: origins.get(field) ?? why.eventId },
  ]);
  const times = await store.timesOf(eventsIn(traced));
  return {
    entityId,
    kind,
    version: golden?.version ?? null,
    deleted: golden?.deleted ?? true,
    mergedInto: golden?.voice?.mergedInto ?? null,
    fields: traced.map(([field, why]) => fieldWhy(field, why, times)),
  };
}

export function unknownEntity(entityId: string): SyncError {
  const advice = entityId.includes(':') ? '' : ': an id is its kind and its name, such as products:SKU-1';
  return new SyncError('request.not-found', `no source knows the entity ${entityId}${advice}`);
}

async function originsOf(
  store: EntityStore,
  row:
    | { readonly entityId: string; readonly sourceType: string; readonly data: Parameters<typeof fieldOrigins>[0] | null }
    | undefined,
): Promise<ReadonlyMap<string, string>> {
  if (row === undefined || row.data === null) return new Map();
  const said = await store.saidBy(row.entityId, row.sourceType, saidMax);
  return fieldOrigins(row.data, said, said.length < saidMax);
}

function eventsIn(whys: readonly (readonly [string, FieldExplanation])[]): string[] {
  const ids = new Set<string>();
  for (const [, { eventId, overrode }] of whys) {
    if (eventId !== null) ids.add(eventId);
    for (const lost of overrode) ids.add(lost.eventId);
  }
  return [...ids];
}

function fieldWhy(field: string, why: FieldExplanation, times: ReadonlyMap<string, string>): FieldWhy {
  const { value, source, eventId, rule } = why;
  return {
    field,
    ...(value === undefined ? {} : { value }),
    source,
    eventId,
    at: eventId === null ? null : (times.get(eventId) ?? null),
    rule,
    overrode: why.overrode.map((lost) => ({
      source: lost.source,
      ...(lost.value === undefined ? {} : { value: lost.value }),
      eventId: lost.eventId,
      at: times.get(lost.eventId) ?? null,
    })),
  };
}
