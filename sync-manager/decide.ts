import { checksumOf } from '../core/canonical/canonical.ts';
import { type CanonicalRecord, type EntityId, type EventId, goldenSourceType } from '../core/change-event.ts';
import type { Acknowledgement } from '../core/conflict/acknowledgement.ts';
import type { Conflict } from '../core/conflict/conflict.ts';
import { type Resolution, remerge, resolve, resolveAcknowledgement } from '../core/conflict/engine.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import { operatorSourceType, type SourceRow, voiced } from '../core/conflict/voice.ts';
import type { WriteBack } from '../core/conflict/write-back.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { type DifferenceChanges, differenceChanges } from '../core/differences/difference.ts';
import type { DifferencePair } from '../core/differences/difference-pair.ts';
import { unreachable } from '../core/errors.ts';
import type { Leave } from '../core/identity/move.ts';
import { credibleKnowledge, type WithdrawalCause, withdraw } from '../core/identity/withdrawal.ts';
import type { EventStatus } from '../core/outcome.ts';
import type {
  BatchEffects,
  EventRow,
  ForgetNotice,
  RejoinNotice,
  ReplayOutcome,
  StateHead,
  StateRow,
} from '../core/ports/sync-store.ts';
import { isAfter, isRightBehind } from '../core/position.ts';
import { type RefusedChange, refusedChange } from '../core/refused-change.ts';
import type { Arrival, ArrivedAcknowledgement, ArrivedLeave, ArrivedRemerge } from './arrival.ts';
import { acknowledgementsBy, BatchWriteBacks, type WrittenSources } from './batch-write-backs.ts';
import { carriedChange, carriedRow, isOf, rejoinNotice } from './carried-state.ts';
import { type EntityRows, EntityTable } from './entity-rows.ts';
import { eventRow, leaveRow, OutcomeCounter } from './event-rows.ts';

export interface DecideInput {
  readonly arrivals: readonly Arrival[];
  /** What the tables hold of the batch's entities. */
  readonly heads: readonly StateHead[];
  /** The same with data, for those more than one source speaks of. */
  readonly shared: readonly StateRow[];
  /** Which of the batch's events are stored already. */
  readonly known: ReadonlySet<EventId>;
  /** What we wrote to the systems of the batch's entities and they may not have told of yet, oldest first. */
  readonly writeBacks: readonly WriteBack[];
  readonly policy: ConflictPolicy;
  /** Whether several sources may speak of this kind: their voices are kept from the first word on. */
  readonly isShared: boolean;
  /** Sources that are targets too: where their own word did not hold, they have to be told. */
  readonly written: WrittenSources;
  /** Sources whose differences are kept. */
  readonly pairs: readonly DifferencePair[];
}

/** Everything a batch changes, as a function of the batch and the tables alone. */
export function decide(input: DecideInput): BatchEffects {
  const batch = new BatchDecision(input);
  for (const arrival of input.arrivals) batch.take(arrival);
  return batch.effects();
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
  readonly #rejoins: RejoinNotice[] = [];
  readonly #resolved = new Set<EntityId>();
  readonly #counter = new OutcomeCounter();
  readonly #writeBacks: BatchWriteBacks;

  constructor(input: DecideInput) {
    this.#input = input;
    this.#writeBacks = new BatchWriteBacks(input.policy, input.written, input.writeBacks);
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
      case 'leave':
        this.#leave(arrival);
        break;
      case 'acknowledgement':
        this.#acknowledge(arrival);
        break;
      case 'remerge':
        this.#remerge(arrival);
        break;
      default:
        unreachable(arrival);
    }
  }

  effects(): BatchEffects {
    const removals = this.#entities.removed();
    const rejoins = this.#rejoins;
    return {
      events: this.#events,
      states: this.#entities.touched(),
      ...(removals.length === 0 ? {} : { removals }),
      conflicts: [...this.#conflicts.values()],
      writeBacks: this.#writeBacks.notes(),
      differences: this.#differences(),
      counts: this.#counter.counts(),
      replays: this.#replays,
      refused: this.#refused,
      outbox: {
        resolved: [...this.#resolved],
        deadLetters: this.#letters,
        forgets: this.#forgets,
        ...(rejoins.length === 0 ? {} : { rejoins }),
      },
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
    const entity = this.#entities.of(acknowledgement.entityId);
    const row = entity.of(acknowledgement.sourceType) as StateRow | undefined;
    const heard = this.#writeBacks.acknowledge(ledgerId, acknowledgement, row, turnOf(row));
    if (heard === undefined) return;
    this.#hear(entity, heard);
    this.#lookWhereDoubted(heard);
  }

  #hear(entity: EntityRows, acknowledgement: Acknowledgement): void {
    const view = entity.view();
    const heard = { ...acknowledgement, knowledge: credibleKnowledge(acknowledgement.knowledge, view) };
    this.#apply(entity, heard, resolveAcknowledgement(this.#input.policy, view, heard));
  }

  /** What is resolved is looked at by the targets. */
  #lookWhereDoubted(subject: Pick<CanonicalRecord, 'entityId' | 'sourceType'>): void {
    if (this.#writeBacks.isDoubted(subject)) this.#resolved.add(subject.entityId);
  }

  /** Invariant 7. Where the record is what comes of the rows nothing happens, however often it is said. */
  #remerge({ entityId, entityKind: kind }: ArrivedRemerge): void {
    const entity = this.#entities.of(entityId);
    const view = entity.view();
    const [first] = view.rows;
    if (first === undefined) return;
    const { golden, conflicts } = remerge(this.#input.policy, view);
    const before = view.golden;
    const damaged = before !== undefined && before.checksum !== checksumOfData(before.data, undefined);
    if (!golden.moved && !damaged) return;
    for (const conflict of conflicts) this.#conflicts.set(conflict.conflictId, conflict);
    const cause = { entityId, kind, sourceType: goldenSourceType, eventId: before?.eventId ?? first.eventId };
    this.#putGolden(entity, cause, { ...golden, moved: true }, undefined);
  }

  /** The source's row goes, and what it says goes to the entity the record is bound to by now: the change in hand, if that is newer. */
  #leave({ record, leave, letter }: ArrivedLeave): void {
    const entity = this.#entities.of(record.entityId);
    const row = entity.of(record.sourceType);
    const own = isOf(row, leave.tenure) ? (row as StateRow) : undefined;
    const known = this.#seen.has(record.eventId) || this.#input.known.has(record.eventId);
    const isNewest = own?.position === undefined || own.position === null || isAfter(record.position, own.position);
    const change = leave.hasChange && letter === undefined && !known && isNewest;
    const carried = own === undefined ? null : carriedRow(own, leave, record.correlationId);
    this.#rejoins.push(rejoinNotice(record, change ? carriedChange(record) : carried));
    if (letter === undefined) this.#settleLeave(record, leave, { known, change, own });
    else this.#bury(record, letter);
    if (own === undefined) return;
    const golden = this.#withdraw(entity, { ...record, eventId: leave.eventId }, leave.to);
    if (!this.#input.known.has(leave.eventId)) this.#events.push(leaveRow(record, leave, golden));
  }

  #settleLeave(
    record: CanonicalRecord,
    { hasChange }: Leave,
    { known, change, own }: { known: boolean; change: boolean; own: StateRow | undefined },
  ): void {
    const overtaken = record.replayOf === undefined ? 'stale' : 'superseded';
    const outcome = change || (!hasChange && own) ? 'applied' : !hasChange ? 'unchanged' : known ? 'duplicate' : overtaken;
    if (outcome === overtaken) {
      this.#seen.add(record.eventId);
      this.#events.push(eventRow(record, outcome));
    }
    this.#counter.add(record, outcome);
    if (record.replayOf !== undefined) this.#replays.push({ deadLetterId: record.replayOf, outcome });
  }

  /** Takes the row out and merges the rest anew. Returns the golden row where its data moved. */
  #withdraw(entity: EntityRows, cause: WithdrawalCause, to: EntityId | null): StateRow | undefined {
    const before = entity.golden;
    const { golden, conflicts, rows, emptied } = withdraw(this.#input.policy, entity.view(), cause);
    entity.remove(cause.sourceType);
    for (const row of rows) entity.put(row);
    for (const conflict of conflicts) this.#conflicts.set(conflict.conflictId, conflict);
    if (before === undefined) return undefined;
    const voice = emptied && to !== null ? { ...golden.voice, mergedInto: to } : golden.voice;
    return this.#putGolden(entity, cause, { ...golden, voice }, undefined);
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
    const tenure = record.tenure ?? 0;
    const tenant = entity.of(record.sourceType);
    const isLate = tenant !== undefined && tenure < (tenant.tenure ?? 0);
    const before = tenant !== undefined && tenure > (tenant.tenure ?? 0) ? undefined : tenant;
    const decision = record.sourceType === operatorSourceType;
    // Invariant 4: a change not above its source's stored position changes nothing. Decisions have no order: the first wins.
    if (isLate || (!decision && before?.position && !isAfter(record.position, before.position))) {
      return { outcome: record.replayOf === undefined ? 'stale' : 'superseded' };
    }
    const echo = decision || tenant !== before ? undefined : this.#echoOf(record, entity, before);
    if (echo !== undefined) return echo;
    const deleted = record.data === null;
    if (!decision && before !== undefined && before.deleted === deleted && before.checksum === record.checksum) {
      // The newer position is kept even then: it is what a late older change is held against.
      const voice = 'voice' in before ? (before as StateRow).voice : null;
      entity.put({ ...stateOf(record), ...tenureOf(record), version: before.version, voice });
      return { outcome: 'unchanged' };
    }
    if (!decision && !this.#input.isShared && !entity.isShared(record.sourceType))
      return this.#applyAlone(record, entity, before);
    // Another record of the source has the place now.
    if (tenant !== before) this.#withdraw(entity, record, null);
    const known = new Set(Object.keys(entity.view().golden?.voice?.open ?? {}));
    const resolution = resolve(this.#input.policy, entity.view(), record);
    if (resolution.row === undefined) return { outcome: 'unchanged' };
    const golden = this.#apply(entity, record, resolution);
    const atOdds = resolution.conflicts.some(({ conflictId }) => !known.has(conflictId));
    return { outcome: atOdds ? 'conflicted' : 'applied', ...(golden === undefined ? {} : { golden }) };
  }

  /**
   * Our own write, told by its system: with the acknowledgement or without it, it is no deed of that system. Undefined where
   * the word is its own.
   */
  #echoOf(record: CanonicalRecord, entity: EntityRows, before: StateHead | undefined): Settled | undefined {
    // What a target found there is looked at already, and is nothing that the system told.
    if (isRightBehind(record.position)) return undefined;
    const hearing = this.#writeBacks.hear(record, before);
    const isNews = hearing.kind === 'echo' && hearing.isNews;
    if (hearing.kind === 'own' || (before === undefined && !isNews)) {
      this.#lookWhereDoubted(record);
      return undefined;
    }
    if (hearing.kind === 'echo') {
      for (const heard of acknowledgementsBy(record, hearing, turnOf(before))) this.#hear(entity, heard);
    }
    const row = entity.of(record.sourceType) as StateRow;
    entity.put({ ...row, ...tenureOf(record), position: record.position });
    this.#lookWhereDoubted(record);
    return { outcome: hearing.kind === 'echo' ? 'echo' : 'stale' };
  }

  /** Where one source speaks of an entity, its word is the golden record. */
  #applyAlone(record: CanonicalRecord, entity: EntityRows, before: StateHead | undefined): Settled {
    const state = stateOf(record);
    entity.put({ ...state, ...tenureOf(record), version: (before?.version ?? 0) + 1, voice: null });
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
    if (row !== undefined) entity.put({ ...row, ...tenureOf(cause) });
    for (const conflict of conflicts) this.#conflicts.set(conflict.conflictId, conflict);
    const stored = this.#putGolden(entity, cause, golden, row);
    if (differs && this.#input.written.has(cause.sourceType)) this.#resolved.add(cause.entityId);
    return stored;
  }

  /** Returns the row where it is new or its data moved. */
  #putGolden(
    entity: EntityRows,
    cause: WithdrawalCause,
    golden: Resolution['golden'],
    row: StateRow | undefined,
  ): StateRow | undefined {
    const before = entity.golden;
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
    if (moved) this.#resolved.add(cause.entityId);
    return moved || before === undefined ? stored : undefined;
  }
}

/** A row from a time without a voice counts its turns by its versions. */
function turnOf(row: StateHead | undefined): number {
  if (row === undefined) return 0;
  return voiced(row as SourceRow).voice.turn;
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

function tenureOf(cause: CanonicalRecord | Acknowledgement): { readonly tenure?: number } {
  return 'tenure' in cause && cause.tenure !== undefined ? { tenure: cause.tenure } : {};
}
