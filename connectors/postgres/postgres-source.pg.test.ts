import pg from 'pg';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { acquireTestStack } from '../../stack/test-stack.ts';
import { describeSourceConnector, type SourceTable, type SourceWorld } from '../../tests/contracts/source-connector.contract.ts';
import { polledSource } from '../../tests/polled-world.ts';
import { applicationName, openPostgresWorld } from '../../tests/postgres-world.ts';
import { SourceHouse } from '../../tests/source-world.ts';
import type { TestDatabase } from '../../tests/test-database.ts';
import { PostgresTableReader } from './postgres-table-reader.ts';

type Mode = 'compare' | 'timestamp';

const modeOptions: Readonly<Record<Mode, object>> = {
  compare: { mode: 'compare' },
  timestamp: { mode: 'timestamp', watermark: 'changed', overlap: '1s', compareKeysEvery: '1s' },
};

function polledPostgres(url: string, mode: Mode, tables: readonly SourceTable[], batchRowsMax: number): SourceConnector {
  const reader = new PostgresTableReader({ url, connectionsMax: 4, timeoutMs: 10_000, applicationName });
  return polledSource(reader, modeOptions[mode], tables, batchRowsMax);
}

function openWorld(mode: Mode): Promise<SourceWorld> {
  const connect = (url: string, tables: readonly SourceTable[], most: number) => polledPostgres(url, mode, tables, most);
  return openPostgresWorld({ hasWatermark: true, connect, createEdges });
}

async function createEdges({ pool }: TestDatabase, table: string): Promise<JsonObject> {
  await pool.query(`
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE ${table} (id TEXT PRIMARY KEY, changed TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), price NUMERIC(38,10), any_number NUMERIC, big INT8, small INT2, ratio FLOAT8,
      code CHAR(5), empty TEXT, nothing TEXT, at TIMESTAMPTZ, local TIMESTAMP, forever TIMESTAMPTZ, last DATE, raw BYTEA, extra JSONB,
      said JSON, tags TEXT[], numbers INT[], mood mood, ref UUID, flag BOOLEAN, long TEXT, words TEXT, took INTERVAL);
    INSERT INTO ${table} VALUES ('edge', clock_timestamp(), 1234567890123456789012345678.0123456789, 0.12345678901234567890123, 9223372036854775807,
      -32768, 'NaN', 'ab', '', NULL, '2026-03-01 12:00:00.123456+02', '2026-03-01 12:00:00.1', 'infinity', '9999-12-31', '\\x00ff',
      '{"b": 1.10, "a": [1, null]}', '{"z": 1}', '{a,"b c",NULL}', '{1,2}', 'happy', '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      true, repeat('ü', 2500000), 'Zażółć 漢字 😀', '1 day 02:00')`);
  return {
    id: 'edge',
    price: '1.2345678901234567890123456780123456789e+27',
    any_number: '0.12345678901234567890123',
    big: '9223372036854775807',
    small: -32768,
    ratio: 'NaN',
    code: 'ab   ',
    empty: '',
    nothing: null,
    at: '2026-03-01T10:00:00.123456+00:00',
    local: '2026-03-01T12:00:00.1',
    forever: 'infinity',
    last: '9999-12-31',
    raw: '\\x00ff',
    extra: { a: [1, null], b: 1.1 },
    said: { z: 1 },
    tags: ['a', 'b c', null],
    numbers: [1, 2],
    mood: 'happy',
    ref: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
    flag: true,
    long: 'ü'.repeat(2_500_000),
    words: 'Zażółć 漢字 😀',
    took: 'P1DT2H',
  };
}

describeSourceConnector('PostgreSQL, compared', () => openWorld('compare'));
describeSourceConnector('PostgreSQL, by timestamp', () => openWorld('timestamp'));

test('a server that is killed while a table is read costs time and nothing else', { timeout: 120_000 }, async () => {
  const stack = await acquireTestStack(['postgres']);
  const url = stack.addresses.postgres!;
  const house = new SourceHouse(['product']);
  const run = async (text: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(text);
    await client.end();
  };
  await run(
    `CREATE TABLE product (id INT PRIMARY KEY, name TEXT, qty INT); INSERT INTO product SELECT n, 'x', n FROM generate_series(1, 5000) n`,
  );
  const connector = polledPostgres(url, 'compare', [{ kind: 'product' }], 20);
  try {
    await house.start(connector);
    await expect.poll(() => house.records('product').length, { timeout: 60_000 }).toBeGreaterThan(500);
    await stack.part('postgres').kill();
    const before = house.records('product').length;
    expect(before).toBeLessThan(5_000);
    await expect.poll(() => house.view('product')?.errorCode, { timeout: 60_000 }).toBe('source.unavailable');
    await stack.part('postgres').start();
    await run('DELETE FROM product WHERE id = 7; UPDATE product SET qty = -1 WHERE id = 4000');
    await expect.poll(async () => (await house.told('product')).size, { timeout: 60_000 }).toBe(4_999);
    await expect.poll(async () => (await house.told('product')).get('4000')?.qty, { timeout: 60_000 }).toBe(-1);
  } finally {
    await house.close();
    await connector.close();
    await stack.stop();
  }
});
