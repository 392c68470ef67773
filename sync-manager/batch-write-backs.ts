import { checksumOf } from '../core/canonical/canonical.ts';
import type { CanonicalRecord, EntityId } from '../core/change-event.ts';
import type { Acknowledgement } from '../core/conflict/acknowledgement.ts';
import { type ConflictPolicy, countersOf } from '../core/conflict/policy.ts';
import { uncountedChecksum } from '../core/conflict/uncounted.ts';
import { type Hearing, type WriteBack, type WriteBackNote, WriteBacks } from '../core/conflict/write-back.ts';
import type { StateHead, StateRow } from '../core/ports/sync-store.ts';

/** What sources that are targets too go by, by source type. */
export type WrittenSources = ReadonlyMap<string, string>;

/** What the batch's words are, in view of what we wrote to their systems. */
export class BatchWriteBacks {
  readonly #sources: WrittenSources;
  readonly #counters: readonly string[];
  readonly #rows: ReadonlyMap<string, readonly WriteBack[]>;
  readonly #ofRecord = new Map<string, WriteBacks>();

  constructor(policy: ConflictPolicy, sources: WrittenSources, rows: readonly WriteBack[]) {
    this.#sources = sources;
    this.#counters = countersOf(policy);
    this.#rows = Map.groupBy(rows, ({ entityId, target }) => nameOf(entityId, target));
  }

  hear(record: CanonicalRecord, before: StateHead | undefined): Hearing {
    const writeBacks = this.#of(record.entityId, record.sourceType);
    if (writeBacks === undefined) return { kind: 'own' };
    const isKnown = before !== undefined && before.deleted === (record.data === null) && before.checksum === record.checksum;
    const { data } = record;
    return writeBacks.hear(record, isKnown, () =>
      data === null || this.#counters.length === 0 ? undefined : uncountedChecksum(this.#counters, data),
    );
  }

  /**
   * The acknowledgement as it is to be taken. Where its system has told more since, and that is what the write replaced but for
   * what is counted, it was said before the write. Undefined where it was heard of before.
   */
  acknowledge(ledgerId: string, said: Acknowledgement, row: StateRow | undefined, turn: number): Acknowledgement | undefined {
    const writeBacks = this.#of(said.entityId, said.sourceType);
    const known = writeBacks?.acknowledge(ledgerId);
    if (writeBacks === undefined || known === undefined) return undefined;
    // A system that made the same of it again has nothing to tell.
    if (said.replaced !== null && said.checksum === checksumOf(said.replaced)) writeBacks.pass(ledgerId);
    if (turn <= said.through) return said;
    const stands = row === undefined || row.data === null ? null : uncountedChecksum(this.#counters, row.data);
    if (known.isAwaited && stands === known.expected) {
      writeBacks.takeAsBefore(ledgerId);
      return { ...said, through: turn };
    }
    writeBacks.pass(ledgerId);
    return said;
  }

  isDoubted({ entityId, sourceType }: { readonly entityId: EntityId; readonly sourceType: string }): boolean {
    return this.#of(entityId, sourceType)?.isDoubted ?? false;
  }

  notes(): WriteBackNote[] {
    return [...this.#ofRecord.values()].flatMap((writeBacks) => [...writeBacks.notes()]);
  }

  #of(entityId: EntityId, sourceType: string): WriteBacks | undefined {
    const target = this.#sources.get(sourceType);
    if (target === undefined) return undefined;
    const name = nameOf(entityId, target);
    const known = this.#ofRecord.get(name);
    if (known !== undefined) return known;
    const rows = this.#rows.get(name);
    if (rows === undefined) return undefined;
    const writeBacks = new WriteBacks(rows);
    this.#ofRecord.set(name, writeBacks);
    return writeBacks;
  }
}

/** A system's word of our write is as good as the acknowledgement. The newest says itself what stands there now. */
export function acknowledgementsBy(
  record: CanonicalRecord,
  { heard, isNews }: Extract<Hearing, { kind: 'echo' }>,
  turn: number,
): Acknowledgement[] {
  const { entityId, sourceType, kind, position } = record;
  return heard.map(({ eventId, knowledge, replaced, returned }, index) => {
    const data = isNews && index === heard.length - 1 ? record.data : returned;
    const checksum = data === null ? null : data === record.data ? record.checksum : checksumOf(data);
    return { entityId, sourceType, kind, eventId, knowledge, through: turn, replaced, returned: data, checksum, position };
  });
}

function nameOf(entityId: EntityId, target: string): string {
  return `${target}\0${entityId}`;
}
