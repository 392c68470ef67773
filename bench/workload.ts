import type { ChangeEvent } from '../core/change-event.ts';
import { eventIdOf } from '../core/event-id.ts';
import type { JsonObject } from '../core/json.ts';
import { orderOf, positionOf } from '../core/position.ts';

export const source = 'bench';
export const kind = 'record';
export const rawTopic = `source.${source}.${kind}`;
export const canonicalTopic = `entity.${kind}`;
export const resolvedTopic = `resolved.${kind}`;
export const partitions = 4;

/** One change of the workload: which record, its how-manieth version, and its place in the order of the source. */
export interface Change {
  readonly entity: number;
  readonly version: number;
  readonly sequence: number;
  readonly occurredAtMs: number;
}

const states = ['A', 'B', 'C'];
const firstDayMs = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;

/** Twelve fields in about 300 bytes. Two consecutive versions differ in every one of them. */
export function recordOf(entity: number, version: number): JsonObject {
  const v = version % 1_000;
  return {
    SKU: ` sku-${digits(entity, 7)}-${digits(v, 3)}`,
    TITLE: `Cordless drill ${entity} edition ${v}`,
    BODY: `Brushless motor, two batteries, case; lot ${entity * 7 + v}`,
    PRICE: `${10 + ((entity + v) % 900)}.${digits((entity + 3 * v) % 100, 2)}`,
    QTY: (entity + 17 * v) % 5_000,
    CATEGORY: `Tools/Drills/${v % 50}`,
    VENDOR: `Vendor ${(entity + v) % 997}`,
    GRAMS: 1_000 + ((entity + v) % 4_000),
    ACTIVE: version % 2 === 0 ? 'yes' : 'no',
    STATE: states[version % states.length]!,
    BIN: `R${digits(entity % 100, 2)}-S${digits(v, 3)}`,
    UPDATED_AT: new Date(firstDayMs + version * hourMs).toISOString(),
  };
}

/** The event a connector would publish for it. */
export function changeEventOf({ entity, version, sequence, occurredAtMs }: Change): ChangeEvent {
  const key = keyOf(entity);
  const position = positionOf(1, orderOf(sequence));
  const eventId = eventIdOf(source, kind, key, position, occurredAtMs);
  return {
    eventId,
    source,
    kind,
    key,
    operation: version === 0 ? 'create' : 'update',
    position,
    occurredAt: new Date(occurredAtMs).toISOString(),
    correlationId: eventId,
    data: recordOf(entity, version),
  };
}

export function keyOf(entity: number): string {
  return `r${digits(entity, 8)}`;
}

/** Visits every entity once a round, in an order that is none; a stride prime to a power of ten. */
export function entityAt(step: number, entities: number): number {
  return (step * 61_803) % entities;
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0');
}

/** One source, one kind, a rule for each of its twelve fields. */
export const configText = `profile: development
kafka: { brokers: embedded, partitions: ${partitions} }
postgres: { url: embedded }
redis: { url: embedded }
serialization: json
api:
  port: 0
  rateLimit: { perMinute: 1000000, ingestPerMinute: 100000000 }
sources:
  ${source}:
    connector: http
    type: BENCH
    entities:
      ${kind}:
        mapping:
          fields:
            sku: { from: SKU, do: [trim, upper] }
            name: { from: TITLE, do: [trim], required: true }
            description: BODY
            price: { from: PRICE, do: [cast: decimal] }
            stock: { from: QTY, do: [cast: integer], default: 0 }
            category: { from: CATEGORY, do: [lower] }
            brand: VENDOR
            weight: { from: GRAMS, do: [divide: 1000] }
            active: { from: ACTIVE, do: [cast: boolean] }
            state: { from: STATE, do: [lookup: { table: { A: active, B: blocked, C: closed } }] }
            location: BIN
            updated_at: { from: UPDATED_AT, do: [cast: datetime] }
`;

/** A second source of the kind, which says nothing yet: from the first record on everything goes through the conflict engine. */
export const sharedConfigText = `${configText}  second:
    connector: http
    entities:
      ${kind}: {}
`;

/** Beside the source above, what POST /users needs. */
export const ingestConfigText = `${configText}      users:
        key: email
        schema:
          fields:
            name: { type: string, required: true, minLength: 1, maxLength: 200 }
            email: { type: email, required: true, maxLength: 90 }
            phone: { type: string, maxLength: 50 }
`;
