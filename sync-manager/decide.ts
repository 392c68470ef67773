import { checksumOf } from '../core/canonical/canonical.ts';
import { type CanonicalRecord, type EntityId, type EventId, goldenSourceType } from '../core/change-event.ts';
import type { Acknowledgement } from '../core/conflict/acknowledgement.ts';
import type { Conflict } from '../core/conflict/conflict.ts';
import { type Resolution, resolve, resolveAcknowledgement } from '../core/conflict/engine.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import { operatorSourceType } from '../core/conflict/voice.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { type DifferenceChanges, differenceChanges } from '../core/differences/difference.ts';
import type { DifferencePair } from '../core/differences/difference-pair.ts';
import { unreachable } from '../core/errors.ts';
import type { EventStatus, Outcome, OutcomeCount } from '../core/outcome.ts';
import type { BatchEffects, EventRow, ForgetNotice, ReplayOutcome, StateHead, StateRow } from '../core/ports/sync-store.ts';
import { isAfter } from '../core/position.ts';
import { type RefusedChange, refusedChange } from '../core/refused-change.ts';
import { type EntityRows, EntityTable } from './entity-rows.ts';

/** What came on a canonical topic and is not settled yet. */
export type Arrival =
  | { readonly kind: 'record'; readonly record: CanonicalRecord }
  /** A record that cannot be settled. */
  | { readonly kind: 'dead'; readonly record: CanonicalRecord; readonly letter: DeadLetter }
  | ArrivedAcknowledgement;

/** Word of a write-back. It has no raw record, so there is nothing to account for. */
export interface ArrivedAcknowledgement {
  readonly kind: 'acknowledgement';
  readonly ledgerId: string;
  readonly acknowledgement: Acknowledgement;
}

export interface DecideInput {
  readonly arrivals: readonly Arrival[];
  /** What the tables hold of the batch's entities. */
  readonly heads: readonly StateHead[];
  /** The same with data, for those more than one source speaks of. */
  readonly shared: readonly StateRow[];
  /** Which of the batch's events are stored already. */
  readonly known: ReadonlySet<EventId>;
  /** Which of the batch's write-backs wait for their acknowledgement. */
  readonly unacknowledged: ReadonlySet<string>;
  readonly policy: ConflictPolicy;
  /** Whether several sources may speak of this kind: their voices are kept from the first word on. */
  readonly isShared: boolean;
  /** Sources that are targets too: where their own word did not hold, they have to be told. */
  readonly writtenBack: ReadonlySet<string>;
  /** Sources whose differences are kept. */
  readonly pairs: readonly DifferencePair[];
}

/** Everything a batch changes, as a function of the batch and the tables alone. */
export function decide(input: DecideInput): BatchEffects {
  const batch = new BatchDecision(input);
  for (const arrival of input.arrivals) batch.take(arrival);
  return batch.effects();
}

/** Entities more than one source speaks of, in the tables or in the batch. */
export function sharedEntities(arrivals: readonly Arrival[], heads: readonly StateHead[]): EntityId[] {
  const speakers = new Map<EntityId, string>();
  const shared = new Set(arrivals.filter(needsTheEngine).map((arrival) => subjectOf(arrival).entityId));
  for (const { entityId, sourceType } of [...heads, ...arrivals.map(subjectOf)]) {
    if (sourceType === goldenSourceType) continue;
    const first = speakers.get(entityId);
    if (first === undefined) speakers.set(entityId, sourceType);
    else if (first !== sourceType) shared.add(entityId);
  }
  return [...shared];
}

export function subjectOf(arrival: Arrival): { readonly entityId: EntityId; readonly sourceType: string } {
  return arrival.kind === 'acknowledgement' ? arrival.acknowledgement : arrival.record;
}

/** Whatever else is known of the entity. */
function needsTheEngine(arrival: Arrival): boolean {
  return arrival.kind === 'acknowledgement' || arrival.record.sourceType === operatorSourceType;
}

export function recordsOf(arrivals: readonly Arrival[]): CanonicalRecord[] {
  return arrivals.flatMap((arrival) => (arrival.kind === 'acknowledgement' ? [] : [arrival.record]));
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

interface Settled {
  readonly outcome: EventStatus | 'duplicate';
  /** The golden row that the record made. */
  readonly golden?: StateRow;
}

class BatchDecision {
  readonly #input: DecideInput;
  readonly #entities: EntityTable;
  readonly #seen = new Set<EventId>();
  readonly #events: EventRow[] = [];
  /** By id: the last word of the batch on each. */
  readonly #conflicts = new Map<string, Conflict>();
  readonly #replays: ReplayOutcome[] = [];
  readonly #letters: DeadLetter[] = [];
  readonly #refused: RefusedChange[] = [];
  readonly #forgets: ForgetNotice[] = [];
  readonly #acknowledged: string[] = [];
  readonly #resolved = new Set<EntityId>();
  readonly #counter = new OutcomeCounter();

  constructor(input: DecideInput) {
    this.#input = input;
    const whole = new Set(input.shared.map((row) => row.entityId));
    this.#entities = new EntityTable(
      input.heads.filter((head) => !whole.has(head.entityId)),
      input.shared,
    );
  }

  take(arrival: Arrival): void {
    switch (arrival.kind) {
      case 'record':
        this.#settle(arrival.record);
        break;
      case 'dead':
        this.#bury(arrival.record, arrival.letter);
        break;
      case 'acknowledgement':
        this.#acknowledge(arrival);
        break;
      default:
        unreachable(arrival);
    }
  }

  effects(): BatchEffects {
    return {
      events: this.#events,
      states: this.#entities.touched(),
      conflicts: [...this.#conflicts.values()],
      acknowledged: this.#acknowledged,
      differences: this.#differences(),
      counts: this.#counter.counts(),
      replays: this.#replays,
      refused: this.#refused,
      outbox: { resolved: [...this.#resolved], deadLetters: this.#letters, forgets: this.#forgets },
    };
  }

  #differences(): DifferenceChanges {
    const { pairs } = this.#input;
    if (pairs.length === 0) return { upserts: [], removals: [] };
    const changes = [...this.#entities.all()].map(({ before, after }) => differenceChanges(pairs, before, after));
    return {
      upserts: changes.flatMap(({ upserts }) => upserts),
      removals: changes.flatMap(({ removals }) => removals),
    };
  }

  #bury(record: CanonicalRecord, letter: DeadLetter): void {
    this.#letters.push(letter);
    this.#refused.push(refusedChange(letter, record.position));
    this.#forgets.push({ topic: record.origin.topic, partition: record.origin.partition, key: record.key });
    this.#counter.add(record, 'dead-lettered');
  }

  #acknowledge({ ledgerId, acknowledgement }: ArrivedAcknowledgement): void {
    if (!this.#input.unacknowledged.has(ledgerId) || this.#acknowledged.includes(ledgerId)) return;
    this.#acknowledged.push(ledgerId);
    const entity = this.#entities.of(acknowledgement.entityId);
    this.#apply(entity, acknowledgement, resolveAcknowledgement(this.#input.policy, entity.view(), acknowledgement));
  }

  #settle(record: CanonicalRecord): void {
    const { outcome, golden } = this.#outcomeOf(record, this.#entities.of(record.entityId));
    this.#seen.add(record.eventId);
    this.#counter.add(record, outcome);
    if (outcome !== 'duplicate') this.#events.push(eventRow(record, outcome, golden));
    if (record.replayOf !== undefined) this.#replays.push({ deadLetterId: record.replayOf, outcome });
  }

  #outcomeOf(record: CanonicalRecord, entity: EntityRows): Settled {
    if (this.#seen.has(record.eventId) || this.#input.known.has(record.eventId)) return { outcome: 'duplicate' };
    const before = entity.of(record.sourceType);
    const decision = record.sourceType === operatorSourceType;
    // Invariant 4: a change not above its source's stored position changes nothing. Decisions have no order: the first wins.
    if (!decision && before?.position && !isAfter(record.position, before.position)) {
      return { outcome: record.replayOf === undefined ? 'stale' : 'superseded' };
    }
    const deleted = record.data === null;
    if (!decision && before !== undefined && before.deleted === deleted && before.checksum === record.checksum) {
      // The newer position is kept even then: it is what a late older change is held against.
      entity.put({ ...stateOf(record), version: before.version, voice: 'voice' in before ? before.voice : null });
      return { outcome: 'unchanged' };
    }
    if (!decision && !this.#input.isShared && !entity.isShared(record.sourceType))
      return this.#applyAlone(record, entity, before);
    const known = new Set(Object.keys(entity.view().golden?.voice?.open ?? {}));
    const resolution = resolve(this.#input.policy, entity.view(), record);
    if (resolution.row === undefined) return { outcome: 'unchanged' };
    const golden = this.#apply(entity, record, resolution);
    const atOdds = resolution.conflicts.some(({ conflictId }) => !known.has(conflictId));
    return { outcome: atOdds ? 'conflicted' : 'applied', ...(golden === undefined ? {} : { golden }) };
  }

  /** Where one source speaks of an entity, its word is the golden record. */
  #applyAlone(record: CanonicalRecord, entity: EntityRows, before: StateHead | undefined): Settled {
    const state = stateOf(record);
    entity.put({ ...state, version: (before?.version ?? 0) + 1, voice: null });
    const { golden } = entity;
    if (golden !== undefined && golden.deleted === state.deleted && golden.checksum === state.checksum)
      return { outcome: 'applied' };
    const row: StateRow = {
      ...state,
      sourceType: goldenSourceType,
      position: null,
      version: (golden?.version ?? 0) + 1,
      voice: null,
    };
    entity.put(row);
    this.#resolved.add(record.entityId);
    return { outcome: 'applied', golden: row };
  }

  /** Takes over what the engine found. Returns the golden row where its data moved. */
  #apply(entity: EntityRows, cause: CanonicalRecord | Acknowledgement, resolution: Resolution): StateRow | undefined {
    const { row, golden, conflicts, differs } = resolution;
    const before = entity.golden;
    if (row !== undefined) entity.put(row);
    for (const conflict of conflicts) this.#conflicts.set(conflict.conflictId, conflict);
    const { moved } = golden;
    const stored: StateRow = {
      entityId: cause.entityId,
      sourceType: goldenSourceType,
      kind: cause.kind,
      version: moved ? (before?.version ?? 0) + 1 : (before?.version ?? 1),
      position: null,
      deleted: golden.deleted,
      data: golden.data,
      checksum: !moved && before !== undefined ? before.checksum : checksumOfData(golden.data, row),
      eventId: moved || before === undefined ? cause.eventId : before.eventId,
      voice: golden.voice,
    };
    entity.put(stored);
    if (moved || (differs && this.#input.writtenBack.has(cause.sourceType))) this.#resolved.add(cause.entityId);
    return moved || before === undefined ? stored : undefined;
  }
}

function checksumOfData(data: StateRow['data'], row: StateRow | undefined): StateRow['checksum'] {
  if (data === null) return null;
  return row?.data === data ? row.checksum : checksumOf(data);
}

function stateOf(record: CanonicalRecord): Omit<StateRow, 'version' | 'voice'> {
  return {
    entityId: record.entityId,
    sourceType: record.sourceType,
    kind: record.kind,
    position: record.position,
    deleted: record.data === null,
    data: record.data,
    checksum: record.checksum,
    eventId: record.eventId,
  };
}

function eventRow(record: CanonicalRecord, status: EventStatus, golden: StateRow | undefined): EventRow {
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
    goldenVersion: golden?.version ?? null,
    ...(golden === undefined || golden.checksum === record.checksum ? {} : { goldenData: golden.data }),
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
