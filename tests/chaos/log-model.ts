import { isUtf8 } from 'node:buffer';
import type { TopicRecord } from './topics.ts';

/**
 * What a raw topic means, in words of its own: nothing here comes from the stages. A state is the mapped record as
 * text with its fields sorted, or `deleted`.
 */
export type Verdict =
  | { readonly kind: 'change'; readonly event: RawEvent; readonly state: string }
  | { readonly kind: 'poison'; readonly code: string }
  | { readonly kind: 'control' };

export interface RawEvent {
  readonly eventId: string;
  readonly kind: string;
  readonly key: string;
  readonly operation: string;
  readonly position: string;
  readonly correlationId: string;
  readonly data: Record<string, unknown> | null;
}

export const deletedState = 'deleted';

/** By kind: the target's field from the source's. A kind that is not named passes as it is. */
const renames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  products: { name: 'title', stock: 'quantity', price: 'price' },
};
const requiredFields: Readonly<Record<string, readonly string[]>> = { products: ['title'] };
const depthMax = 32;
const entityIdCharactersMax = 100;
const correlationIdCharactersMax = 128;
const recordBytesMax = 1_000_000;

export function judge(record: TopicRecord): Verdict {
  const { key, value, headers } = record;
  if (headers['syncline-control'] === 'forget' && key !== null) return { kind: 'control' };
  if (value === null) return poison('record.malformed');
  if (value.length > recordBytesMax) return poison('record.too-large');
  const event = parsed(value);
  if (event === undefined) return poison('record.malformed');
  if (depthOf(event) > depthMax + 1) return poison('record.too-deep');
  if (!isWholeEvent(event) || event.key !== key || !record.topic.endsWith(`.${event.kind}`)) return poison('record.malformed');
  const { data } = event;
  if (data !== null && (requiredFields[event.kind] ?? []).some((field) => data[field] === undefined || data[field] === null)) {
    return poison('mapping.failed');
  }
  if (entityIdOf(event).length > entityIdCharactersMax) return poison('record.entity-id-too-long');
  const state = stateOf(event);
  if (/\\u0000|\\u[dD][89a-fA-F]/.test(state)) return poison('record.unstorable-text');
  // Nothing in the processor minds a long correlation id; the column does.
  if (event.correlationId.length > correlationIdCharactersMax) return poison('store.rejected');
  return { kind: 'change', event, state };
}

export function entityIdOf(event: Pick<RawEvent, 'kind' | 'key'>): string {
  return `${event.kind}:${event.key}`;
}

/** Fields in one order, so that equal values have equal texts. */
export function sortedText(value: unknown): string {
  return JSON.stringify(value, (_field, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}

export interface AppliedChange {
  readonly eventId: string;
  readonly state: string;
}

/** What a key went through, in the order of the log. */
export interface Course {
  readonly entityId: string;
  readonly topic: string;
  readonly partition: number;
  /** Each change that must have moved the tables: the n-th makes version n. */
  readonly applied: AppliedChange[];
  newest: { readonly position: string; readonly state: string };
}

export interface Judged {
  readonly record: TopicRecord;
  readonly verdict: Verdict;
}

/** Expects the records of each partition in the order of their offsets. */
export function coursesOf(judged: readonly Judged[]): Map<string, Course> {
  const courses = new Map<string, Course>();
  const seen = new Set<string>();
  for (const { record, verdict } of judged) {
    if (verdict.kind !== 'change' || seen.has(verdict.event.eventId)) continue;
    const { event, state } = verdict;
    seen.add(event.eventId);
    const entityId = entityIdOf(event);
    const course = courses.get(entityId);
    const change = { eventId: event.eventId, state };
    const newest = { position: event.position, state };
    if (course === undefined) {
      courses.set(entityId, { entityId, topic: record.topic, partition: record.partition, applied: [change], newest });
    } else if (event.position > course.newest.position) {
      if (state !== course.newest.state) course.applied.push(change);
      course.newest = newest;
    }
  }
  return courses;
}

function stateOf({ kind, operation, data }: RawEvent): string {
  if (data === null || operation === 'delete') return deletedState;
  const mapped = renames[kind];
  if (mapped === undefined) return sortedText(data);
  const fields = Object.entries(mapped).filter(([, from]) => data[from] !== undefined);
  return sortedText(Object.fromEntries(fields.map(([to, from]) => [to, data[from]])));
}

function poison(code: string): Verdict {
  return { kind: 'poison', code };
}

function parsed(bytes: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isWholeEvent(value: Record<string, unknown>): value is Record<string, unknown> & RawEvent {
  const texts = ['eventId', 'source', 'kind', 'key', 'operation', 'position', 'occurredAt', 'correlationId'];
  return texts.every((field) => typeof value[field] === 'string') && value.data !== undefined;
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
