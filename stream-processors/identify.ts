import type { EntityId } from '../core/change-event.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { SyncError } from '../core/errors.ts';
import { entityIdOf } from '../core/identity/identity.ts';
import type { BindRequest, IdentityStore } from '../core/ports/identity-store.ts';
import { type DeadRecord, deadRecord, type ForgottenKey, type MappedChange, type NormalisedRecord } from './normalise.ts';

export interface IdentifiedChange extends MappedChange {
  readonly entityId: EntityId;
}

export type IdentifiedRecord = IdentifiedChange | ForgottenKey | DeadRecord;

/** Gives each change its entity id. Where match keys are configured it is bound in PostgreSQL, before anything is produced. */
export async function identify(
  plan: EntityPlan,
  partition: number,
  records: readonly NormalisedRecord[],
  store: IdentityStore,
  nowMs: number,
): Promise<IdentifiedRecord[]> {
  const names = await entityIdsOf(plan, records, store);
  return records.map((record) => {
    if (record.kind !== 'change') return record;
    const name = names(record);
    return name instanceof SyncError
      ? deadRecord(plan, partition, record.record, record.event, name, nowMs)
      : { ...record, entityId: name };
  });
}

type Naming = (change: MappedChange) => EntityId | SyncError;

async function entityIdsOf(plan: EntityPlan, records: readonly NormalisedRecord[], store: IdentityStore): Promise<Naming> {
  const { identity, kind, source } = plan;
  const plainName: Naming = (change) => caught(() => entityIdOf(kind, change.event.key));
  if (identity === undefined) return plainName;

  const named = new Map<MappedChange, EntityId | SyncError>();
  const asked: MappedChange[] = [];
  const requests: BindRequest[] = [];
  for (const change of records) {
    if (change.kind !== 'change') continue;
    const firstName = caught(() => identity.firstNameOf(change.data, source, change.event.key));
    if (firstName instanceof SyncError) {
      named.set(change, firstName);
      continue;
    }
    asked.push(change);
    requests.push({ source, kind, key: change.event.key, matchKeys: identity.matchKeysOf(change.data), firstName });
  }
  const results = requests.length === 0 ? [] : await store.bind(requests);
  results.forEach((result, index) => {
    named.set(asked[index]!, result.kind === 'bound' ? result.entityId : conflict(result.matchKey, result.heldBy, source));
  });
  return (change) => named.get(change)!;
}

function conflict(matchKey: string, heldBy: string, source: string): SyncError {
  return new SyncError('identity.conflict', `match key ${matchKey} belongs to record ${heldBy} of ${source} already`, {
    details: { matchKey, heldBy },
  });
}

function caught(name: () => EntityId): EntityId | SyncError {
  try {
    return name();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}
