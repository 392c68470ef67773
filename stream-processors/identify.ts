import type { EntityId } from '../core/change-event.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { SyncError, unreachable } from '../core/errors.ts';
import { type CompiledIdentity, entityIdOf } from '../core/identity/identity.ts';
import type { BindRequest, BindResult, IdentityStore } from '../core/ports/identity-store.ts';
import {
  type DeadRecord,
  deadRecord,
  type ForgottenKey,
  type MappedChange,
  type NormalisedRecord,
  type RejoiningState,
  type RelinkOrder,
} from './normalise.ts';

export interface IdentifiedChange extends MappedChange {
  readonly entityId: EntityId;
  readonly tenure: number;
  /** What its former entity knew has not come yet: nothing of the key may be stopped, nor is it known what is newest. */
  readonly inTransit: boolean;
}

/** Goes to the entity that the record leaves: with the change that moves it, or with the order to. */
export interface Departure {
  readonly kind: 'departure';
  readonly cause: MappedChange | RelinkOrder;
  readonly move: Extract<BindResult, { kind: 'moved' }>;
}

export interface Arrival extends RejoiningState {
  readonly entityId: EntityId;
  readonly tenure: number;
}

/** A control record that brings nothing. */
export type DoneRecord = ForgottenKey;

export type IdentifiedRecord = IdentifiedChange | Departure | Arrival | DoneRecord | DeadRecord;

type Bindable = MappedChange | RelinkOrder | RejoiningState;

/** Gives each change its entity id. Where match keys are configured it is bound in PostgreSQL, before anything is produced. */
export async function identify(
  plan: EntityPlan,
  partition: number,
  records: readonly NormalisedRecord[],
  store: IdentityStore,
  nowMs: number,
): Promise<IdentifiedRecord[]> {
  const results = await bindingsOf(plan, records, store);
  return records.map((record) => {
    if (record.kind === 'forget' || record.kind === 'dead') return record;
    const result = results(record);
    if (!(result instanceof SyncError)) return identified(record, result);
    const event = record.kind === 'change' ? record.event : undefined;
    return deadRecord(plan, partition, record.record, event, result, nowMs);
  });
}

function identified(record: Bindable, result: Exclude<BindResult, { kind: 'conflict' }>): IdentifiedRecord {
  switch (result.kind) {
    case 'moved':
      return record.kind === 'rejoin' ? done(record) : { kind: 'departure', cause: record, move: result };
    case 'settled':
      return done(record);
    case 'bound': {
      const { entityId, tenure, inTransit } = result;
      if (record.kind === 'change') return { ...record, entityId, tenure, inTransit };
      return record.kind === 'relink' || record.rejoin.state === null ? done(record) : { ...record, entityId, tenure };
    }
    default:
      return unreachable(result);
  }
}

function done(record: Bindable): ForgottenKey {
  const key = record.kind === 'change' ? record.event.key : record.key;
  return { kind: 'forget', key, record: record.record };
}

type Binding = (record: Bindable) => Exclude<BindResult, { kind: 'conflict' }> | SyncError;

async function bindingsOf(plan: EntityPlan, records: readonly NormalisedRecord[], store: IdentityStore): Promise<Binding> {
  const { identity, kind } = plan;
  if (identity === undefined) return (record) => caught(() => plainBinding(kind, record));

  const bound = new Map<Bindable, Exclude<BindResult, { kind: 'conflict' }> | SyncError>();
  const asked: Bindable[] = [];
  const requests: BindRequest[] = [];
  for (const record of records) {
    if (record.kind === 'forget' || record.kind === 'dead') continue;
    const request = caught(() => requestOf(plan, identity, record));
    if (request instanceof SyncError) {
      bound.set(record, request);
      continue;
    }
    asked.push(record);
    requests.push(request);
  }
  const results = requests.length === 0 ? [] : await store.bind(requests);
  results.forEach((result, index) => {
    bound.set(asked[index]!, result.kind === 'conflict' ? conflict(result, plan.source) : result);
  });
  return (record) => bound.get(record)!;
}

/** Without match keys an entity is its kind and key, and no record ever moves. */
function plainBinding(kind: string, record: Bindable): Exclude<BindResult, { kind: 'conflict' }> {
  if (record.kind === 'relink') return { kind: 'settled' };
  const key = record.kind === 'change' ? record.event.key : record.key;
  return { kind: 'bound', entityId: entityIdOf(kind, key), tenure: 0, inTransit: false };
}

function requestOf(plan: EntityPlan, identity: CompiledIdentity, record: Bindable): BindRequest {
  const { source, kind, ordered } = plan;
  const { offset } = record.record;
  switch (record.kind) {
    case 'change': {
      const { key, position } = record.event;
      const names = identity.namesOf(record.data, source, key);
      const matchKeys = record.data === null ? null : identity.matchKeysOf(record.data);
      for (const text of [key, ...(matchKeys ?? [])]) refuseUnstorable(text);
      return { type: 'change', source, kind, key, offset, position, matchKeys, names, ordered };
    }
    case 'relink':
      return { type: 'relink', source, kind, key: record.key, offset, ...record.relink };
    case 'rejoin':
      return { type: 'rejoin', source, kind, key: record.key, offset, movedAt: record.rejoin.movedAt };
    default:
      return unreachable(record);
  }
}

function refuseUnstorable(text: string): void {
  if (!text.includes('\0') && text.isWellFormed()) return;
  throw new SyncError('record.unstorable-text', 'the key or a match key holds text that PostgreSQL cannot store');
}

function conflict({ matchKey, heldBy }: Extract<BindResult, { kind: 'conflict' }>, source: string): SyncError {
  return new SyncError('identity.conflict', `match key ${matchKey} belongs to record ${heldBy} of ${source} already`, {
    details: { matchKey, heldBy },
  });
}

function caught<T>(work: () => T): T | SyncError {
  try {
    return work();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}
