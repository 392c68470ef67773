import { checksumOf } from '../core/canonical/canonical.ts';
import type { CanonicalRecord, EntityId, EventId, Operation } from '../core/change-event.ts';
import { conflictRulesSchema } from '../core/config/conflict-policy.ts';
import type { Conflict, GoldenRow } from '../core/conflict/conflict.ts';
import { type ConflictView, type Resolution, resolve, resolveAcknowledgement } from '../core/conflict/engine.ts';
import { type ConflictPolicy, compileConflictPolicy } from '../core/conflict/policy.ts';
import { type Knowledge, operatorSourceType, type SourceRow } from '../core/conflict/voice.ts';
import { type JsonObject, parseExact } from '../core/json.ts';
import { orderOf, positionOf } from '../core/position.ts';

export const entityId = 'product:P-1' as EntityId;
export const kind = 'product';

const sources = ['erp', 'shop', 'woo'].map((name) => ({ name, type: name.toUpperCase() }));

export function policyOf(rules: unknown): ConflictPolicy {
  return compileConflictPolicy(kind, conflictRulesSchema.parse(rules), sources);
}

export interface ChangeOptions {
  readonly atMs?: number;
  readonly eventId?: string;
  readonly operation?: Operation;
}

/** A write-back that is on its way: what it writes, and the state of the target that it may replace. */
export interface WriteBack {
  readonly sourceType: string;
  readonly knowledge: Knowledge;
  readonly through: number;
  readonly replaced: JsonObject | null;
  readonly written: JsonObject | null;
}

/** One entity in the hands of the engine, with the tables a sync manager would keep of it. */
export class ConflictWorld {
  readonly policy: ConflictPolicy;
  readonly log = new Map<string, Conflict>();
  /** How often a line was written to the log. */
  lines = 0;
  #view: ConflictView = { golden: undefined, rows: [] };
  #changes = 0;

  constructor(policy: ConflictPolicy) {
    this.policy = policy;
  }

  get view(): ConflictView {
    return this.#view;
  }

  get golden(): JsonObject | null {
    return this.#view.golden?.data ?? null;
  }

  get conflicts(): Conflict[] {
    return [...this.log.values()];
  }

  change(source: string, data: JsonObject | null, options: ChangeOptions = {}): Resolution {
    return this.#apply(resolve(this.policy, this.#view, this.record(source, data, options)));
  }

  answer(data: JsonObject, eventId?: string): Resolution {
    return this.change(operatorSourceType, data, eventId === undefined ? {} : { eventId });
  }

  /** The write-back of the golden record as it is now. */
  writeBack(source: string): WriteBack {
    const row = this.row(source);
    const turn = row?.voice?.turn ?? 0;
    const knowledge = this.#view.golden?.voice?.of ?? {};
    return { sourceType: source, knowledge, through: turn, replaced: row?.data ?? null, written: this.golden };
  }

  acknowledge(write: WriteBack, returned: JsonObject | null = write.written): Resolution {
    const { sourceType, knowledge, through, replaced } = write;
    const eventId = this.#view.golden!.eventId;
    const checksum = returned && checksumOf(returned);
    const ack = { entityId, kind, sourceType, eventId, knowledge, through, replaced, returned, checksum, position: null };
    return this.#apply(resolveAcknowledgement(this.policy, this.#view, ack));
  }

  row(source: string): SourceRow | undefined {
    return this.#view.rows.find(({ sourceType }) => sourceType === source);
  }

  record(source: string, data: JsonObject | null, options: ChangeOptions = {}): CanonicalRecord {
    const number = ++this.#changes;
    const { atMs = number * 1_000, eventId = `${source}-${number}`, operation = 'update' } = options;
    return {
      eventId: eventId as EventId,
      source: source.toLowerCase(),
      sourceType: source,
      kind,
      key: 'P-1',
      entityId,
      operation: data === null ? 'delete' : operation,
      position: positionOf(0, orderOf(number)),
      occurredAt: new Date(atMs).toISOString(),
      receivedAtMs: atMs,
      correlationId: 'c',
      checksum: data && checksumOf(data),
      data,
      origin: { topic: 't', partition: 0, offset: number },
    };
  }

  #apply(resolution: Resolution): Resolution {
    const { row, golden, conflicts } = resolution;
    const rows = row === undefined ? this.#view.rows : [...this.#view.rows.filter((r) => r.sourceType !== row.sourceType), row];
    this.#view = { golden: this.#goldenRow(resolution), rows: stored(rows) };
    for (const conflict of conflicts) this.log.set(conflict.conflictId, conflict);
    this.lines += conflicts.length;
    if (golden.deleted !== (golden.data === null)) throw new Error('a golden record without data is a deleted one');
    return resolution;
  }

  #goldenRow({ golden, row }: Resolution): GoldenRow {
    const before = this.#view.golden;
    const { deleted, data, voice, moved } = golden;
    return {
      entityId,
      sourceType: 'GOLDEN',
      kind,
      version: (before?.version ?? 0) + (moved ? 1 : 0),
      position: null,
      deleted,
      data,
      checksum: data && checksumOf(data),
      eventId: moved || before === undefined ? row!.eventId : before.eventId,
      voice,
    };
  }
}

/** What comes back from a table is another object, through JSON. */
function stored(rows: readonly SourceRow[]): SourceRow[] {
  return parseExact(JSON.stringify(rows)) as unknown as SourceRow[];
}
