import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../adapters/process/clock.ts';
import { createLogicalSource } from '../connectors/postgres/logical-source.ts';
import type { JsonObject } from '../core/json.ts';
import type { SourceConnector } from '../core/ports/source-connector.ts';
import type { SourceTable, SourceWorld } from './contracts/source-connector.contract.ts';
import { applicationName, openPostgresWorld } from './postgres-world.ts';
import { source } from './source-world.ts';
import type { TestDatabase } from './test-database.ts';

/** A name for slot and publication that no other test has: slots are the server's. */
export function slotOf(url: string): string {
  return `syncline_${new URL(url).pathname.slice(1)}`;
}

export function logicalPostgres(
  url: string,
  tables: readonly SourceTable[],
  batchRowsMax: number,
  holdMs = 60_000,
  application = applicationName,
): SourceConnector {
  return createLogicalSource({
    source,
    database: { url, connectionsMax: 4, timeoutMs: 10_000, applicationName: application },
    slot: slotOf(url),
    publication: slotOf(url),
    holdMs,
    tables: tables.map(({ kind, key = [], onSchemaChange = 'pause' }) => ({
      kind,
      key,
      occurredAt: undefined,
      table: kind,
      columns: undefined,
      onSchemaChange,
    })),
    batchRecordsMax: batchRowsMax,
    clock: systemClock,
  });
}

/** A column of every type that is told in a way of its own. */
export const edgeColumns = `id TEXT PRIMARY KEY, price NUMERIC(38,10), any_number NUMERIC, big INT8, small INT2, ratio FLOAT8, single FLOAT4,
  code CHAR(5), empty TEXT, nothing TEXT, at TIMESTAMPTZ, local TIMESTAMP, forever TIMESTAMPTZ, past TIMESTAMPTZ, last DATE, clock TIMETZ,
  raw BYTEA, extra JSONB, said JSON, tags TEXT[], numbers INT[], grid NUMERIC[], moments TIMESTAMPTZ[], objects JSONB[], mood mood, moods mood[],
  ref UUID, flag BOOLEAN, flags BOOLEAN[], long TEXT, words TEXT, took INTERVAL, net INET, span INT4RANGE, age adult, place address, money MONEY,
  bits BIT(3), twice INT GENERATED ALWAYS AS (small * 2) STORED`;

export const edgeTypes = `CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN adult AS INT CHECK (VALUE > 17);
  CREATE TYPE address AS (street TEXT, number NUMERIC);`;

export const edgeRow = `'edge', 1234567890123456789012345678.0123456789, 0.12345678901234567890123, 9223372036854775807, -32768, 'NaN', 1.5e-7,
  'ab', '', NULL, '2026-03-01 12:00:00.123456+02', '2026-03-01 12:00:00.1', 'infinity', '0044-03-15 00:00:00+00 BC', '9999-12-31', '12:00:00+02',
  '\\x00ff', '{"b": 1.10, "a": [1, null]}', '{"z": 1}', '{a,"b c",NULL,"NULL","x\\"y\\\\z",""}', '{1,2}', '{{1.50,2},{3,NULL}}',
  '{"2026-03-01 12:00:00+02"}', ARRAY['{"a": "}"}'::jsonb], 'happy', '{sad,happy}', '6f9619ff-8b86-d011-b42d-00c04fc964ff', true, '{t,f,NULL}',
  repeat('ü', 100000), 'Zażółć 漢字 😀', '1 day 02:00', '10.0.0.1', '[1,5)', 30, '("Main St",5.50)', '1.50', B'101'`;

export function openLogicalWorld(): Promise<SourceWorld> {
  return openPostgresWorld({
    hasWatermark: false,
    keyless: (table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL`,
    role: {
      attributes: 'REPLICATION',
      prepare: ({ pool, url }, table) => pool.query(`CREATE PUBLICATION "${slotOf(url)}" FOR TABLE ${table}`),
    },
    connect: logicalPostgres,
    createEdges,
    beforeClose: slotsAreFree,
  });
}

async function createEdges({ pool }: TestDatabase, table: string): Promise<JsonObject> {
  await pool.query(`${edgeTypes} CREATE TABLE ${table} (${edgeColumns}); INSERT INTO ${table} VALUES (${edgeRow})`);
  return {
    any_number: '0.12345678901234567890123',
    big: '9223372036854775807',
    ratio: 'NaN',
    code: 'ab   ',
    at: '2026-03-01T10:00:00.123456+00:00',
    forever: 'infinity',
    raw: '\\x00ff',
    said: { z: 1 },
    tags: ['a', 'b c', null, 'NULL', 'x"y\\z', ''],
    place: { street: 'Main St', number: 5.5 },
    words: 'Zażółć 漢字 😀',
    twice: -65_536,
  };
}

/** The server notices a little later that a reader has gone, and keeps the database until then. */
export async function slotsAreFree({ pool }: TestDatabase): Promise<void> {
  const text = 'SELECT FROM pg_replication_slots WHERE database = current_database() AND active';
  for (let tries = 0; tries < 200 && (await pool.query(text)).rows.length > 0; tries++) await sleep(50);
}
