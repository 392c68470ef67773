import { checksumOf } from '../canonical/canonical.ts';
import { goldenSourceType } from '../change-event.ts';
import type { GoldenRow } from '../conflict/conflict.ts';
import { remerge } from '../conflict/engine.ts';
import type { ConflictPolicy } from '../conflict/policy.ts';
import type { SourceRow } from '../conflict/voice.ts';
import { differenceOf } from '../differences/difference.ts';
import type { DifferencePair } from '../differences/difference-pair.ts';
import type { StateRow } from '../ports/sync-store.ts';
import type { EntityTables } from '../ports/verification-tables.ts';
import { differingFieldNames } from './field-names.ts';
import type { Finding } from './finding.ts';

export interface ConsistencyRules {
  readonly policy: ConflictPolicy;
  /** Sources whose rows we write ourselves, too: there the newest event does not say what stands in the row. */
  readonly writtenBack: ReadonlySet<string>;
  readonly exact: readonly DifferencePair[];
}

const differencesReason = 'the table of differences';
const goldenReasons = ['the golden record', 'there is no golden record', `the ${goldenSourceType} row`];

/** What mends a finding with this reason. */
export function remedyOf(reason: string): 'compare' | 'remerge' | 'none' {
  if (reason.startsWith(differencesReason)) return 'compare';
  return goldenReasons.some((beginning) => reason.startsWith(beginning)) ? 'remerge' : 'none';
}

/**
 * Whether the rows of an entity belong together. They are written in one transaction, so in one snapshot they always do: null,
 * or the first thing that does not fit.
 */
export function inconsistencyOf(entity: EntityTables, rules: ConsistencyRules): Finding | null {
  return damagedRow(entity, rules) ?? unmergedGolden(entity, rules) ?? wrongDifference(entity, rules);
}

function damagedRow({ rows, eventChecksums }: EntityTables, { writtenBack }: ConsistencyRules): Finding | null {
  for (const row of rows) {
    const checksum = row.data === null ? null : checksumOf(row.data);
    if (row.deleted !== (row.data === null) || row.checksum !== checksum) {
      return inconsistent([], `the ${row.sourceType} row of sync_state does not have the checksum of its data`);
    }
    const ownEvent = row.sourceType !== goldenSourceType && !writtenBack.has(row.sourceType);
    const told = ownEvent ? eventChecksums.get(row.eventId) : undefined;
    if (told !== undefined && told !== row.checksum) {
      return inconsistent([], `the ${row.sourceType} row of sync_state is not what its newest event brought`);
    }
  }
  return null;
}

/** Invariant 7, held against what stands in the tables. */
function unmergedGolden({ rows }: EntityTables, { policy }: ConsistencyRules): Finding | null {
  const golden = rows.find(({ sourceType }) => sourceType === goldenSourceType) as GoldenRow | undefined;
  const sources = rows.filter(({ sourceType }) => sourceType !== goldenSourceType) as SourceRow[];
  if (golden === undefined) return inconsistent([], 'there is no golden record of the rows of sources');
  if (sources.length === 0) {
    const emptied = golden.deleted && golden.voice?.mergedInto !== undefined;
    return emptied ? null : inconsistent([], 'there is a golden record and no row of a source');
  }
  const [only] = sources;
  if (sources.length === 1 && only!.voice === null && golden.voice === null) {
    const same = only!.deleted === golden.deleted && only!.checksum === golden.checksum;
    return same ? null : notMerged(golden, only!.data, 'of its only source');
  }
  const merged = remerge(policy, { golden, rows: sources }).golden;
  if (!merged.moved) return null;
  const otherRules = golden.voice !== null && golden.voice.policy !== policy.id;
  return notMerged(golden, merged.data, otherRules ? 'by the policy of today' : 'by its policy');
}

function notMerged(golden: StateRow, merged: StateRow['data'], how: string): Finding {
  const fields = golden.data === null || merged === null ? ['deleted'] : differingFieldNames(golden.data, merged);
  return inconsistent(fields, `the golden record is not what comes of the rows ${how}`);
}

function wrongDifference({ rows, differences }: EntityTables, { exact }: ConsistencyRules): Finding | null {
  for (const pair of exact) {
    const [left, right] = [pair.leftSource, pair.rightSource].map((side) => rows.find(({ sourceType }) => sourceType === side));
    const is = differenceOf(pair, left, right);
    const told = differences.find((row) => row.leftSource === pair.leftSource && row.rightSource === pair.rightSource);
    if ((is?.kind ?? null) !== (told?.kind ?? null)) {
      return inconsistent(
        [],
        `${differencesReason} says ${told?.kind ?? 'nothing'} of ${pair.leftSource} and ${pair.rightSource}, which is ${is?.kind ?? 'equal'}`,
      );
    }
  }
  return null;
}

function inconsistent(fields: readonly string[], reason: string): Finding {
  return { kind: 'inconsistent', fields, reason };
}
