import type { ChangeEvent } from '../core/change-event.ts';
import { rawHeaders } from '../core/change-event.ts';
import { type DeadLetter, deadLetterOf } from '../core/dead-letter.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { SyncError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { LogRecord } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { Position } from '../core/position.ts';
import type { Glimpse } from './repeats.ts';

/** A raw record after mapping. */
export interface MappedChange {
  readonly kind: 'change';
  readonly record: LogRecord;
  readonly event: ChangeEvent;
  readonly data: JsonObject | null;
  /** What the filter compares; a deletion has one too. */
  readonly fingerprint: string;
  /** Of the data as it came; empty where none was taken. */
  readonly digest: string;
  readonly replayOf: string | undefined;
}

export interface ForgottenKey {
  readonly kind: 'forget';
  readonly key: string;
  readonly record: LogRecord;
}

export interface DeadRecord {
  readonly kind: 'dead';
  readonly key: string | null;
  /** Null where the bytes could not be read. */
  readonly position: Position | null;
  readonly letter: DeadLetter;
}

export type NormalisedRecord =
  | MappedChange
  /** The stages downstream rejected this key's last change: its cache entry must go. */
  | ForgottenKey
  | DeadRecord;

/** No record's fingerprint looks like this. */
const deletedFingerprint = 'deleted';

export function normalise(
  plan: EntityPlan,
  partition: number,
  codec: RecordCodec<ChangeEvent>,
  { record, glance }: Glimpse,
  nowMs: number,
): NormalisedRecord {
  const replayOf = record.headers[rawHeaders.replayOf];
  if (record.headers[rawHeaders.control] === 'forget' && record.key !== null) return { kind: 'forget', key: record.key, record };
  let event: ChangeEvent | undefined;
  try {
    event = decode(plan, codec, record);
    const data = event.data === null || event.operation === 'delete' ? null : plan.mapping.map(event.data);
    const fingerprint = data === null ? deletedFingerprint : plan.comparison.fingerprint(data);
    const digest = data === null || glance === undefined ? '' : glance.digest;
    return { kind: 'change', record, event, data, fingerprint, digest, replayOf };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return deadRecord(plan, partition, record, event, error, nowMs);
  }
}

export function deadRecord(
  plan: EntityPlan,
  partition: number,
  record: LogRecord,
  event: ChangeEvent | undefined,
  error: SyncError,
  nowMs: number,
): DeadRecord {
  const subject = {
    origin: { topic: plan.rawTopic, partition, offset: record.offset },
    stage: 'processor',
    source: plan.source,
    kind: plan.kind,
    key: record.key,
    eventId: event?.eventId ?? null,
    correlationId: event?.correlationId ?? null,
    body: record.value,
    replayOf: record.headers[rawHeaders.replayOf],
  } as const;
  return { kind: 'dead', key: record.key, position: event?.position ?? null, letter: deadLetterOf(subject, error, nowMs) };
}

function decode(plan: EntityPlan, codec: RecordCodec<ChangeEvent>, record: LogRecord): ChangeEvent {
  if (record.value === null) throw new SyncError('record.malformed', 'the message has no value');
  const event = codec.decode(record.value);
  if (event.source !== plan.source || event.kind !== plan.kind) {
    throw new SyncError(
      'record.malformed',
      `an event of ${event.source}/${event.kind} stands on the topic of ${plan.source}/${plan.kind}`,
    );
  }
  // The key decides the partition, and the partition the order: they must be the same thing.
  if (event.key !== record.key) throw new SyncError('record.malformed', 'the message key is not the key of the event in it');
  return event;
}
