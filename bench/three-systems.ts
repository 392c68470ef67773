import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { logEnds } from '../adapters/kafka/offsets.ts';
import type { RoleName } from '../bin/roles/role.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { eventIdOf } from '../core/event-id.ts';
import type { JsonObject } from '../core/json.ts';
import { partitionOf } from '../core/partition.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import { orderOf, positionOf } from '../core/position.ts';
import { type Measurement, measureUntil, type Progress, progressOf } from './measurement.ts';
import { type Rig, withRig } from './rig.ts';
import type { Result, Scenario } from './scenario.ts';
import { costNotes } from './throughput.ts';
import { entityAt, keyOf, partitions } from './workload.ts';

const eventsPerSecondWanted = 6_000;
/** One entity in a hundred is changed by two systems that did not know of each other. */
const contestedEach = 100;
const systems = ['erp', 'shop', 'store'] as const;
/** Those that are written to as well. */
const tables = ['shop', 'store'] as const;
const roles: readonly RoleName[] = ['processor', 'sync-manager', 'target'];
const kind = 'product';
const beginningMs = Date.UTC(2026, 5, 1);
const rowsPerStatement = 2_000;
const sendRecords = 4_000;
const equalPollMs = 200;
const checksMax = 600;
const checkMs = 100;

type System = (typeof systems)[number];

interface Product {
  readonly system: System;
  readonly entity: number;
  readonly data: JsonObject;
  readonly occurredAtMs: number;
}

export const threeSystems: Scenario = {
  name: 'three-systems',
  promise: 'three sources of one kind, two of them written to as well, 1 % conflicts: until both tables are equal',
  run: (context) =>
    withRig({ ...context.rig, configText, variablesOf: ({ postgres }) => ({ SYSTEMS_URL: postgres! }) }, async (rig) => {
      const entities = context.quick ? 2_000 : 50_000;
      await createTables(rig);
      const first = Array.from({ length: entities }, (_unused, entity) => productOf('erp', entity, 0));
      const filled = await runUntilEqual(rig, first, first);
      const changes = changesOf(entities);
      await applyAtSystems(rig, changes);
      const measured = await runUntilEqual(rig, changes, changes);
      await checkTables(rig, entities, changes.length);
      return [result('three-systems', measured, eventsPerSecondWanted), result('three-systems-fill', filled, null)];
    }),
};

function result(scenario: string, measured: Measurement, wanted: number | null): Result {
  return {
    scenario,
    value: measured.perSecond,
    unit: 'events/s, counted at both tables',
    wanted: wanted === null ? null : { atLeast: wanted },
    baseline: null,
    ratio: null,
    rssMB: measured.rssMB,
    notes: costNotes(measured),
  };
}

/** Every entity is changed by one system in all its fields, and a few by another one as well, which comes later and wins. */
function changesOf(entities: number): Product[] {
  const changes: Product[] = [];
  for (let step = 0; step < entities; step++) {
    const entity = entityAt(step, entities);
    changes.push(productOf(systems[entity % systems.length]!, entity, 1));
    if (entity % contestedEach !== 0) continue;
    const { data, ...rest } = productOf(systems[(entity + 1) % systems.length]!, entity, 0);
    changes.push({ ...rest, data: { ...data, price: 9_999.5 }, occurredAtMs: beginningMs + 7_200_000 });
  }
  return changes;
}

function productOf(system: System, entity: number, version: number): Product {
  const data = {
    sku: keyOf(entity),
    name: `Cordless drill ${entity} edition ${version}`,
    description: `Brushless motor, two batteries, case; lot ${entity * 7 + version}`,
    price: 10 + ((entity + version) % 900) + 0.25,
    stock: (entity + 17 * version) % 5_000,
    category: `Tools/Drills/${(entity + version) % 50}`,
    brand: `Vendor ${(entity + version) % 997}`,
    grams: 1_000 + ((entity + version) % 4_000),
    active: version % 2 === 0,
    state: version % 2 === 0 ? 'active' : 'blocked',
    bin: `R${entity % 100}-S${version}`,
    season: `${2_020 + version}`,
  };
  return { system, entity, data, occurredAtMs: beginningMs + version * 3_600_000 };
}

/** What the golden record is when all changes are in. */
function expectedOf(changes: readonly Product[]): JsonObject[] {
  const expected = new Map<number, JsonObject>();
  const late: Product[] = [];
  for (const change of changes) {
    if (change.occurredAtMs > beginningMs + 3_600_000) late.push(change);
    else expected.set(change.entity, change.data);
  }
  for (const { entity, data } of late) expected.set(entity, { ...expected.get(entity), price: data.price! });
  return [...expected.values()];
}

/** Preloads what the systems tell, starts the roles, and measures until every record is settled and both tables are as they must be. */
async function runUntilEqual(rig: Rig, told: readonly Product[], changes: readonly Product[]): Promise<Measurement> {
  await rig.stopRoles();
  await expectInTables(rig, expectedOf(changes));
  await send(rig, told);
  const before = await progressOf(rig);
  const isFinished = async ({ settled }: Progress) => {
    if (settled < before.settled + told.length) return false;
    // The tables are compared when the targets have read everything: comparing costs more than asking how far they are.
    if ((await areThrough(rig)) && (await areEqual(rig))) return true;
    await sleep(equalPollMs, undefined, { signal: rig.signal });
    return false;
  };
  const measuring = measureUntil(rig, before, told.length, isFinished);
  measuring.catch(() => undefined);
  await rig.startRoles(roles);
  return await measuring;
}

async function send(rig: Rig, told: readonly Product[]): Promise<void> {
  const producer = await rig.log.producer();
  const codecs = new Map(
    await Promise.all(systems.map(async (system) => [system, await jsonCodecs().for('change', rawTopicOf(system))] as const)),
  );
  const { rows } = await rig.pool.query<{ sent: number }>('SELECT count(*)::float8 AS sent FROM source_events');
  let sequence = rows[0]!.sent;
  for (let from = 0; from < told.length; from += sendRecords) {
    rig.signal.throwIfAborted();
    const lot = told.slice(from, from + sendRecords).map(({ system, entity, data, occurredAtMs }): OutgoingRecord => {
      const key = keyOf(entity);
      const position = positionOf(1, orderOf(++sequence));
      const eventId = eventIdOf(system, kind, key, position, occurredAtMs);
      const occurredAt = new Date(occurredAtMs).toISOString();
      const event = {
        eventId,
        source: system,
        kind,
        key,
        operation: 'update',
        position,
        occurredAt,
        correlationId: eventId,
        data,
      } as const;
      return {
        topic: rawTopicOf(system),
        partition: partitionOf(key, partitions),
        key,
        value: codecs.get(system)!.encode(event),
      };
    });
    await producer.send(lot);
  }
  await producer.close();
}

function rawTopicOf(system: System): string {
  return `source.${system}.${kind}`;
}

const columns = `name TEXT, description TEXT, price NUMERIC(10,2), stock INT, category TEXT, brand TEXT, grams INT,
  active BOOLEAN, state TEXT, bin TEXT, season TEXT`;

async function createTables(rig: Rig): Promise<void> {
  for (const name of [...tables, 'expected']) {
    await rig.pool.query(`CREATE SCHEMA ${name}; CREATE TABLE ${name}.product (sku TEXT PRIMARY KEY, ${columns})`);
  }
}

async function upsert(rig: Rig, table: string, rows: readonly JsonObject[]): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    await rig.pool.query(
      `MERGE INTO ${table} AS t USING jsonb_populate_recordset(NULL::${table}, $1::jsonb) AS r ON t.sku = r.sku
       WHEN MATCHED THEN UPDATE SET (name, description, price, stock, category, brand, grams, active, state, bin, season)
         = (r.name, r.description, r.price, r.stock, r.category, r.brand, r.grams, r.active, r.state, r.bin, r.season)
       WHEN NOT MATCHED THEN INSERT VALUES (r.sku, r.name, r.description, r.price, r.stock, r.category, r.brand, r.grams, r.active, r.state, r.bin, r.season)`,
      [JSON.stringify(rows.slice(from, from + rowsPerStatement))],
    );
  }
}

/** A system that tells of a change has made it. */
async function applyAtSystems(rig: Rig, changes: readonly Product[]): Promise<void> {
  for (const table of tables) {
    const own = changes.filter(({ system }) => system === table).map(({ data }) => data);
    await upsert(rig, `${table}.product`, own);
  }
}

async function expectInTables(rig: Rig, rows: readonly JsonObject[]): Promise<void> {
  await upsert(rig, 'expected.product', rows);
}

async function areThrough(rig: Rig): Promise<boolean> {
  const ends = await logEnds(rig.kafka, [`resolved.${kind}`]);
  const end = ends.reduce((total, partition) => total + partition.end, 0);
  const { rows } = await rig.pool.query<{ read: number }>(
    `SELECT coalesce(sum(next_offset), 0)::float8 AS read FROM target_progress GROUP BY target`,
  );
  return rows.length === tables.length && rows.every(({ read }) => read === end);
}

async function areEqual(rig: Rig): Promise<boolean> {
  for (const table of tables) {
    const { rows } = await rig.pool.query<{ equal: boolean }>(
      `SELECT NOT EXISTS (TABLE expected.product EXCEPT TABLE ${table}.product)
         AND (SELECT count(*) FROM expected.product) = (SELECT count(*) FROM ${table}.product) AS equal`,
    );
    if (!rows[0]!.equal) return false;
  }
  return true;
}

/**
 * Every change is one event, every contested entity has its line, no letter anywhere, and what came in adds up. A write-back
 * that finds there what the system is yet to tell sends it ahead: for a contested entity there may be one event more.
 */
async function checkTables(rig: Rig, entities: number, changes: number): Promise<void> {
  const contested = entities / contestedEach;
  let last: object = {};
  for (let attempt = 0; attempt < checksMax; attempt++) {
    const ends = await logEnds(rig.kafka, systems.map(rawTopicOf));
    const onTopics = ends.reduce((total, { start, end }) => total + end - start, 0);
    const { rows } = await rig.pool.query<{ events: number; conflicts: number; settled: number; letters: number }>(
      `SELECT (SELECT count(*)::float8 FROM source_events) AS events,
         (SELECT count(DISTINCT entity_id)::float8 FROM conflict_log) AS conflicts,
         (SELECT coalesce(sum(records), 0)::float8 FROM raw_outcomes) AS settled,
         (SELECT count(*)::float8 FROM dead_letters) + (SELECT count(*)::float8 FROM target_letters) AS letters`,
    );
    const { events, conflicts, settled, letters } = rows[0]!;
    const sentAhead = events - entities - changes;
    if (sentAhead >= 0 && sentAhead <= contested && conflicts === contested && settled === onTopics && letters === 0) return;
    last = { ...rows[0], entities, changes, contested, onTopics };
    await sleep(checkMs, undefined, { signal: rig.signal });
  }
  assert.fail(`what stands in the tables is not what was sent: ${JSON.stringify(last)}`);
}

const targetText = (name: string) => `  ${name}:
    connector: postgres
    url: \${SYSTEMS_URL}
    guard: { changedMax: 1, deletedMax: 1 }
    entities:
      ${kind}: { table: ${name}.product, key: sku }
`;

const configText = `profile: development
kafka: { brokers: embedded, partitions: ${partitions} }
postgres: { url: embedded }
redis: { url: embedded }
serialization: json
api: { port: 0 }
sources:
${systems.map((name) => `  ${name}: { connector: http, type: ${name.toUpperCase()}, entities: { ${kind}: { key: sku } } }\n`).join('')}targets:
${tables.map(targetText).join('')}conflicts:
  ${kind}: { default: newest_wins }
`;
