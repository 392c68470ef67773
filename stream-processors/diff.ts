import type { EntityPlan } from '../core/entity-plan.ts';
import type { CacheEntry, CacheWrite } from '../core/ports/state-cache.ts';
import { isAfter, lowestPosition } from '../core/position.ts';
import type { Arrival, Departure, IdentifiedChange, IdentifiedRecord } from './identify.ts';

export type ForwardedRecord = IdentifiedChange | Departure | Arrival;

export interface DiffVerdicts {
  /** What to send on, in the order of the log. */
  readonly forward: readonly ForwardedRecord[];
  /** Raw offsets of what is stopped. */
  readonly unchanged: readonly number[];
  readonly writes: readonly CacheWrite[];
  readonly hits: number;
  readonly misses: number;
}

/** Records below `through` were sent on, all but `stopped`, as far as that owner came. */
export interface Announcement {
  readonly through: number;
  readonly stopped: ReadonlySet<number>;
}

export interface DiffInput {
  readonly plan: EntityPlan;
  readonly records: readonly IdentifiedRecord[];
  readonly cached: ReadonlyMap<string, CacheEntry>;
  /** What an earlier owner of the partition may have done already, and must be done again. */
  readonly announced: Announcement;
  /** Keys whose entries the tables confirmed just now. */
  readonly confirmed: ReadonlySet<string>;
}

/**
 * Stops what is certainly unchanged, and nothing else. Certain means: the cached state is stored and the newest of its
 * key (`settled`), it was left by an earlier raw record, the record is newer than it and equal to it.
 */
export function diff({ plan, records, cached, announced, confirmed }: DiffInput): DiffVerdicts {
  const forward: ForwardedRecord[] = [];
  const latest = new Map<string, CacheWrite>();
  const unchanged: number[] = [];
  let hits = 0;
  let misses = 0;
  for (const record of records) {
    if (record.kind === 'forget') {
      forget(latest, record.key, record.record.offset);
      continue;
    }
    if (record.kind === 'dead') {
      // A later equal record must get through: its newer position is what supersedes this one's replay.
      if (record.key !== null) forget(latest, record.key, record.letter.origin.offset);
      continue;
    }
    if (record.kind === 'departure' || record.kind === 'rejoin') {
      // What was stored under the former entity says nothing of the one the record is bound to now.
      const { key, offset } = placeOf(record);
      forget(latest, key, offset);
      forward.push(record);
      continue;
    }
    const { offset } = record.record;
    if (announced.stopped.has(offset)) {
      unchanged.push(offset);
      continue;
    }
    const { key } = record.event;
    const inBatch = latest.get(key);
    const before = inBatch ?? usable(cached.get(key), offset);
    if (before) hits++;
    else misses++;
    const settled = before !== undefined && (before.settled || (inBatch === undefined && confirmed.has(key)));
    const newer = before !== undefined && isAfter(record.event.position, before.position);
    const mayStop =
      plan.ordered && settled && newer && !record.inTransit && record.replayOf === undefined && offset >= announced.through;
    if (mayStop && isEqual(plan, before, record)) {
      unchanged.push(offset);
      if (!before.settled) latest.set(key, { ...before, key, settled: true });
      continue;
    }
    forward.push(record);
    // A late older record does not replace what is newest.
    if (record.inTransit) forget(latest, key, offset);
    else if (plan.ordered && (before === undefined || newer)) latest.set(key, entryOf(record));
  }
  return { forward, unchanged, writes: [...latest.values()], hits, misses };
}

/** Entries that would stop a record of this batch if only they were settled: the tables are asked about these. */
export function unsettledMatches(
  plan: EntityPlan,
  records: readonly IdentifiedRecord[],
  cached: ReadonlyMap<string, CacheEntry>,
): IdentifiedChange[] {
  const matches = new Map<string, IdentifiedChange>();
  for (const record of records) {
    if (record.kind !== 'change' || record.inTransit) continue;
    const entry = usable(cached.get(record.event.key), record.record.offset);
    if (entry && !entry.settled && isEqual(plan, entry, record)) matches.set(record.event.key, record);
  }
  return [...matches.values()];
}

/** An equal or larger offset is this record's own or a later one's trace: a redelivery, which must be sent on again. */
function usable(entry: CacheEntry | undefined, offset: number): CacheEntry | undefined {
  return entry !== undefined && entry.offset < offset ? entry : undefined;
}

function placeOf(record: Departure | Arrival): { readonly key: string; readonly offset: number } {
  if (record.kind === 'rejoin') return { key: record.key, offset: record.record.offset };
  const { cause } = record;
  return { key: cause.kind === 'change' ? cause.event.key : cause.key, offset: cause.record.offset };
}

function isEqual(plan: EntityPlan, before: CacheEntry, record: IdentifiedChange): boolean {
  return before.fingerprint !== '' && plan.comparison.same(before.fingerprint, record.fingerprint);
}

/** What is only sent on may still be refused downstream: the tables have to prove it first. */
function entryOf(record: IdentifiedChange): CacheWrite {
  return {
    key: record.event.key,
    fingerprint: record.fingerprint,
    digest: record.digest,
    offset: record.record.offset,
    position: record.event.position,
    settled: false,
  };
}

function forget(latest: Map<string, CacheWrite>, key: string, offset: number): void {
  latest.set(key, forgottenEntry(key, offset));
}

export function forgottenEntry(key: string, offset: number): CacheWrite {
  return { key, fingerprint: '', digest: '', offset, position: lowestPosition, settled: false };
}
