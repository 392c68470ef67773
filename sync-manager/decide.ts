import assert from 'node:assert/strict';
import { checksumOf } from '../core/canonical/canonical.ts';
import { type CanonicalRecord, type EntityId, type EventId, goldenSourceType } from '../core/change-event.ts';
import type { ConflictResolver, EntityView } from '../core/conflict/resolver.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import type { EventStatus, Outcome, OutcomeCount } from '../core/outcome.ts';
import type {
  BatchEffects,
  ConflictRow,
  EventRow,
  ForgetNotice,
  ReplayOutcome,
  StateHead,
  StateRow,
} from '../core/ports/sync-store.ts';
import { isAfter } from '../core/position.ts';

/** A canonical record that is not settled yet, or one that cannot be. */
export type Arrival =
  | { readonly kind: 'record'; readonly record: CanonicalRecord }
  | { readonly kind: 'dead'; readonly record: CanonicalRecord; readonly letter: DeadLetter };

export interface DecideInput {
  readonly arrivals: readonly Arrival[];
  /** What the tables hold of the batch's entities. */
  readonly heads: readonly StateHead[];
  /** The same with data, for those more than one source speaks of. */
  readonly shared: readonly StateRow[];
  /** Which of the batch's events are stored already. */
  readonly known: ReadonlySet<EventId>;
  readonly resolver: ConflictResolver;
}

/** Everything a batch changes, as a function of the batch and the tables alone. */
export function decide({ arrivals, heads, shared, known, resolver }: DecideInput): BatchEffects {
  const entities = entitiesOf([...heads, ...shared]);
  const seen = new Set<EventId>();
  const events: EventRow[] = [];
  const conflicts: ConflictRow[] = [];
  const replays: ReplayOutcome[] = [];
  const letters: DeadLetter[] = [];
  const forgets: ForgetNotice[] = [];
  const moved = new Set<EntityId>();
  const counter = new OutcomeCounter();

  for (const arrival of arrivals) {
    const { record } = arrival;
    if (arrival.kind === 'dead') {
      letters.push(arrival.letter);
      forgets.push({ topic: record.origin.topic, partition: record.origin.partition, key: record.key });
      counter.add(record, 'dead-lettered');
      continue;
    }
    const outcome = settleRecord(
      record,
      entityOf(entities, record.entityId),
      seen.has(record.eventId) || known.has(record.eventId),
      resolver,
      conflicts,
    );
    seen.add(record.eventId);
    counter.add(record, outcome.outcome);
    if (outcome.outcome !== 'duplicate') events.push(eventRow(record, outcome.outcome));
    if (outcome.goldenMoved) moved.add(record.entityId);
    if (record.replayOf !== undefined) replays.push({ deadLetterId: record.replayOf, outcome: outcome.outcome });
  }
  const changed = [...entities.values()].flatMap((entity) => [...entity.touched.values()]);
  return {
    events,
    states: changed,
    conflicts,
    counts: counter.counts(),
    replays,
    outbox: { resolved: [...moved], deadLetters: letters, forgets },
  };
}

/** Entities more than one source speaks of, in the tables or in the batch. */
export function sharedEntities(records: readonly CanonicalRecord[], heads: readonly StateHead[]): EntityId[] {
  const speakers = new Map<EntityId, string>();
  const shared = new Set<EntityId>();
  for (const { entityId, sourceType } of [...heads, ...records]) {
    if (sourceType === goldenSourceType) continue;
    const first = speakers.get(entityId);
    if (first === undefined) speakers.set(entityId, sourceType);
    else if (first !== sourceType) shared.add(entityId);
  }
  return [...shared];
}

/** Events whose id may stand in the tables: what is newer than its source's state cannot. */
export function maybeKnown(records: readonly CanonicalRecord[], heads: readonly StateHead[]): EventId[] {
  const positions = new Map(heads.map((row) => [`${row.entityId}\0${row.sourceType}`, row.position]));
  return records
    .filter((record) => {
      const stored = positions.get(`${record.entityId}\0${record.sourceType}`);
      return stored !== undefined && stored !== null && !isAfter(record.position, stored);
    })
    .map((record) => record.eventId);
}

interface EntityRows {
  /** By source type, the golden row included. */
  readonly rows: Map<string, StateHead | StateRow>;
  /** What the batch makes of them. */
  readonly touched: Map<string, StateRow>;
}

interface Settled {
  readonly outcome: EventStatus | 'duplicate';
  readonly goldenMoved: boolean;
}

function settleRecord(
  record: CanonicalRecord,
  entity: EntityRows,
  isKnown: boolean,
  resolver: ConflictResolver,
  conflicts: ConflictRow[],
): Settled {
  if (isKnown) return { outcome: 'duplicate', goldenMoved: false };
  const before = entity.rows.get(record.sourceType);
  // Invariant 4: a change not above its source's stored position changes nothing.
  if (before?.position && !isAfter(record.position, before.position)) {
    return { outcome: record.replayOf === undefined ? 'stale' : 'superseded', goldenMoved: false };
  }
  const deleted = record.data === null;
  const same = before !== undefined && before.deleted === deleted && before.checksum === record.checksum;
  put(entity, { ...stateOf(record, deleted), version: same ? before.version : (before?.version ?? 0) + 1 });
  // The newer position is kept even then: it is what a late older change is held against.
  if (same) return { outcome: 'unchanged', goldenMoved: false };
  return { outcome: 'applied', goldenMoved: moveGolden(record, entity, before, resolver, conflicts) };
}

function moveGolden(
  record: CanonicalRecord,
  entity: EntityRows,
  before: StateHead | undefined,
  resolver: ConflictResolver,
  conflicts: ConflictRow[],
): boolean {
  const golden = entity.rows.get(goldenSourceType);
  const resolution = resolver.resolve(viewOf(record, entity, golden, before), record);
  conflicts.push(...resolution.conflicts);
  const checksum =
    resolution.checksum === undefined ? (resolution.data === null ? null : checksumOf(resolution.data)) : resolution.checksum;
  if (golden !== undefined && golden.deleted === resolution.deleted && golden.checksum === checksum) return false;
  put(entity, {
    entityId: record.entityId,
    sourceType: goldenSourceType,
    kind: record.kind,
    version: (golden?.version ?? 0) + 1,
    position: null,
    deleted: resolution.deleted,
    data: resolution.data,
    checksum,
    eventId: record.eventId,
  });
  return true;
}

function put(entity: EntityRows, row: StateRow): void {
  entity.rows.set(row.sourceType, row);
  entity.touched.set(row.sourceType, row);
}

function viewOf(
  record: CanonicalRecord,
  entity: EntityRows,
  golden: StateHead | undefined,
  before: StateHead | undefined,
): EntityView {
  const others = [...entity.rows.values()].filter(
    (row) => row.sourceType !== goldenSourceType && row.sourceType !== record.sourceType,
  );
  if (others.length === 0) return { kind: 'alone', golden, before };
  return { kind: 'shared', golden: golden && withData(golden), before: before && withData(before), others: others.map(withData) };
}

/** Rows of shared entities were read with their data. */
function withData(row: StateHead | StateRow): StateRow {
  assert('data' in row, `the ${row.sourceType} row of ${row.entityId} was read without its data`);
  return row;
}

function entitiesOf(rows: readonly (StateHead | StateRow)[]): Map<EntityId, EntityRows> {
  const entities = new Map<EntityId, EntityRows>();
  for (const row of rows) entityOf(entities, row.entityId).rows.set(row.sourceType, row);
  return entities;
}

function entityOf(entities: Map<EntityId, EntityRows>, entityId: EntityId): EntityRows {
  const known = entities.get(entityId);
  if (known) return known;
  const fresh: EntityRows = { rows: new Map(), touched: new Map() };
  entities.set(entityId, fresh);
  return fresh;
}

function stateOf(record: CanonicalRecord, deleted: boolean): Omit<StateRow, 'version'> {
  return {
    entityId: record.entityId,
    sourceType: record.sourceType,
    kind: record.kind,
    position: record.position,
    deleted,
    data: record.data,
    checksum: record.checksum,
    eventId: record.eventId,
  };
}

function eventRow(record: CanonicalRecord, status: EventStatus): EventRow {
  return {
    eventId: record.eventId,
    sourceType: record.sourceType,
    sourceId: record.key,
    entityId: record.entityId,
    operation: record.operation,
    data: record.data,
    checksum: record.checksum,
    position: record.position,
    occurredAt: record.occurredAt,
    receivedAtMs: record.receivedAtMs,
    status,
    correlationId: record.correlationId,
  };
}

class OutcomeCounter {
  readonly #counts = new Map<string, OutcomeCount>();

  add(record: CanonicalRecord, outcome: Outcome): void {
    const { topic, partition } = record.origin;
    const id = `${topic}/${partition}/${outcome}`;
    const count = (this.#counts.get(id)?.count ?? 0) + 1;
    this.#counts.set(id, { topic, partition, outcome, count });
  }

  counts(): OutcomeCount[] {
    return [...this.#counts.values()];
  }
}
