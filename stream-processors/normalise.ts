import type { ChangeEvent } from '../core/change-event.ts';
import { rawHeaders } from '../core/change-event.ts';
import { refusalFrom } from '../core/codec/refusal-message.ts';
import { type DeadLetter, deadLetterOf } from '../core/dead-letter.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { SyncError } from '../core/errors.ts';
import type { Rejoin, Relink } from '../core/identity/move.ts';
import { decodeRejoin, decodeRelink, rawControlIn } from '../core/identity/move-message.ts';
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

/** Somebody moves the record to another entity. */
export interface RelinkOrder {
  readonly kind: 'relink';
  readonly key: string;
  readonly record: LogRecord;
  readonly relink: Relink;
}

/** What a record's former entity knew of it, already canonical. */
export interface RejoiningState {
  readonly kind: 'rejoin';
  readonly key: string;
  readonly record: LogRecord;
  readonly rejoin: Rejoin;
  readonly replayOf: string | undefined;
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
  | RelinkOrder
  | RejoiningState
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
    const moving = movingRecord(record, replayOf);
    if (moving !== undefined) return moving;
    const refusal = refusalFrom(record);
    if (refusal !== undefined) return deadRecord(plan, partition, record, refusal.event, refusal.error, nowMs);
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

function movingRecord(record: LogRecord, replayOf: string | undefined): RelinkOrder | RejoiningState | undefined {
  const { key, value, headers } = record;
  const said = headers[rawHeaders.control];
  // A replay brings the bytes alone.
  if (said === undefined && replayOf === undefined) return undefined;
  const control = value === null || key === null ? undefined : rawControlIn(value);
  if (control === 'relink') return { kind: 'relink', key: key!, record, relink: decodeRelink(value!) };
  if (control === 'rejoin') return { kind: 'rejoin', key: key!, record, rejoin: decodeRejoin(value!), replayOf };
  if (said === undefined) return undefined;
  throw new SyncError('record.malformed', `nothing here understands the control message ${said}`);
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
