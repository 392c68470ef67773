import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { describeSourceConnector, type SourceTable, type SourceWorld } from '../../tests/contracts/source-connector.contract.ts';
import { createTestSqlServer, openTestServer, sqlServerReader, type TestServer } from '../../tests/sqlserver-database.ts';
import { createPolledSource } from '../tables/polled-source.ts';
import { sqlServerTableOptions, withWatermark } from './sqlserver-options.ts';

type Mode = 'compare' | 'timestamp' | 'rowversion';

/** Rows are written one after the other, each in a transaction of its own: none appears later than one with a higher watermark. */
const modeOptions: Readonly<Record<Mode, object>> = {
  compare: { mode: 'compare' },
  timestamp: { mode: 'timestamp', overlap: '10ms', compareKeysEvery: '1s' },
  rowversion: { mode: 'timestamp', watermark: 'rv', compareKeysEvery: '1s' },
};

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server.stop());

function polledSqlServer(url: string, mode: Mode, tables: readonly SourceTable[], batchRowsMax: number): SourceConnector {
  return createPolledSource({
    tables: tables.map(({ kind, key = [], onSchemaChange = 'pause' }) => ({
      kind,
      key,
      occurredAt: undefined,
      options: withWatermark(sqlServerTableOptions.parse({ ...modeOptions[mode], onSchemaChange, every: '100ms' })),
    })),
    reader: sqlServerReader(url, '10s'),
    polling: { intervalMs: 100, batchRecordsMax: batchRowsMax },
    clock: systemClock,
  });
}

const long = 'ü'.repeat(100_000);

const edgeColumns = {
  price: ['DECIMAL(38,10)', '1234567890123456789012345678.0123456789', '1.2345678901234567890123456780123456789e+27'],
  negative: ['DECIMAL(38,38)', '-0.00000000000000000000000000000000000001', -1e-38],
  big: ['BIGINT', '-9223372036854775808', '-9223372036854775808'],
  tiny: ['TINYINT', '255', 255],
  flag: ['BIT', '1', true],
  cash: ['MONEY', '922337203685477.5807', '922337203685477.5807'],
  ratio: ['FLOAT', '0.1e0', 0.1],
  smallest: ['FLOAT', '2.2250738585072014e-308', 2.2250738585072014e-308],
  single: ['REAL', '16777217.0e0', 16_777_216],
  tenth: ['REAL', '0.1', 0.1],
  code: ['CHAR(5)', `'ab'`, 'ab'],
  wide_code: ['NCHAR(5)', `N'é'`, 'é'],
  empty: ['NVARCHAR(10)', `''`, ''],
  nothing: ['NVARCHAR(10)', 'NULL', null],
  old: ['VARCHAR(20)', `'Müller €'`, 'Müller €'],
  words: ['NVARCHAR(MAX)', `N'Zażółć 漢字 😀 "\\ ''; DROP TABLE x'`, `Zażółć 漢字 😀 "\\ '; DROP TABLE x`],
  at: ['DATETIME2(7)', `'2026-03-01T12:00:00.1234567'`, '2026-03-01T12:00:00.1234567'],
  seconds: ['DATETIME2(0)', `'2026-03-29T02:30:00'`, '2026-03-29T02:30:00'],
  half: ['DATETIME2(3)', `'2026-03-29T02:30:00.500'`, '2026-03-29T02:30:00.5'],
  third: ['DATETIME', `'2026-03-29T02:30:00.124'`, '2026-03-29T02:30:00.123'],
  minute: ['SMALLDATETIME', `'2026-03-29T02:30:40'`, '2026-03-29T02:31:00'],
  last: ['DATETIME2(7)', `'9999-12-31T23:59:59.9999999'`, '9999-12-31T23:59:59.9999999'],
  first: ['DATETIME2(7)', `'0001-01-01T00:00:00'`, '0001-01-01T00:00:00'],
  zoned: ['DATETIMEOFFSET(7)', `'2026-03-01T12:00:00.1234567+05:30'`, '2026-03-01T12:00:00.1234567+05:30'],
  day: ['DATE', `'0001-01-01'`, '0001-01-01'],
  took: ['TIME(7)', `'23:59:59.9999999'`, '23:59:59.9999999'],
  ref: ['UNIQUEIDENTIFIER', `'6f9619ff-8b86-d011-b42d-00c04fc964ff'`, '6F9619FF-8B86-D011-B42D-00C04FC964FF'],
  raw: ['VARBINARY(10)', '0x00ff27', 'AP8n'],
  padded: ['BINARY(4)', '0x01', 'AQAAAA=='],
  picture: ['VARBINARY(MAX)', `0x${'ff'.repeat(3_000)}`, Buffer.alloc(3_000, 0xff).toString('base64')],
  doc: ['XML', `N'<a>ü</a>'`, '<a>ü</a>'],
  long: ['NVARCHAR(MAX)', '@p0', long],
} as const;

async function openWorld(mode: Mode): Promise<SourceWorld> {
  const database = await createTestSqlServer(server.url);
  const { query } = database;
  const changed = 'ULTIMA_MODIFICACION DATETIME2(7) NOT NULL DEFAULT SYSUTCDATETIME(), rv ROWVERSION';
  const literalOf = (value: string | null) => (value === null ? 'NULL' : `N'${value.replaceAll(`'`, `''`)}'`);
  return {
    createTable: (table) => database.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, name NVARCHAR(MAX), qty INT, ${changed})`),
    createKeyless: (table) => database.run(`CREATE TABLE ${table} (id INT, name NVARCHAR(MAX), qty INT, ${changed})`),
    async put(table, rows) {
      const found = await query.run(
        `SELECT CONVERT(varchar(11), id) FROM ${table} WHERE id IN (${rows.map(({ id }) => id).join(', ')})`,
      );
      const known = new Set(found.map(([id]) => Number(id)));
      const statements = rows
        .filter(({ id }) => known.has(id))
        .map(({ id, name, qty }) => {
          const set = `name = ${literalOf(name)}, qty = ${qty}, ULTIMA_MODIFICACION = SYSUTCDATETIME()`;
          return `UPDATE ${table} SET ${set} WHERE id = ${id}`;
        });
      const added = rows.filter(({ id }) => !known.has(id)).map(({ id, name, qty }) => `(${id}, ${literalOf(name)}, ${qty})`);
      for (let from = 0; from < added.length; from += 100)
        statements.push(`INSERT INTO ${table} (id, name, qty) VALUES ${added.slice(from, from + 100).join(', ')}`);
      await database.run(statements.join('; '));
    },
    remove: (table, ids) => database.run(`DELETE FROM ${table} WHERE id IN (${ids.join(', ')})`),
    rekey: (table, from, to) =>
      database.run(`UPDATE ${table} SET id = ${to}, ULTIMA_MODIFICACION = SYSUTCDATETIME() WHERE id = ${from}`),
    addColumn: (table, column) => database.run(`ALTER TABLE ${table} ADD ${column} NVARCHAR(100)`),
    dropTable: (table) => database.run(`DROP TABLE ${table}`),
    async createEdges(table) {
      const columns = Object.entries(edgeColumns);
      await database.run(
        `CREATE TABLE ${table} (id NVARCHAR(10) PRIMARY KEY, ${columns.map(([name, [type]]) => `[${name}] ${type}`).join(', ')}, ${changed})`,
      );
      const names = columns.map(([name]) => `[${name}]`).join(', ');
      const values = columns.map(([, [, value]]) => value).join(', ');
      await query.run(`INSERT INTO ${table} (id, ${names}) VALUES (N'edge', ${values})`, [long]);
      return { id: 'edge', ...Object.fromEntries(columns.map(([name, [, , told]]) => [name, told])) } as never;
    },
    breakConnections: () => database.breakConnections(),
    async connectorWithoutRight(table) {
      const { url, user } = await database.newUser();
      return {
        connector: polledSqlServer(url, mode, [{ kind: table }], 50),
        grant: () => database.run(`GRANT SELECT ON ${table} TO ${user}`),
      };
    },
    connector: async (tables, batchRowsMax) => polledSqlServer(database.url, mode, tables, batchRowsMax),
    close: () => database.close(),
  };
}

describeSourceConnector('SQL Server, compared', () => openWorld('compare'));
describeSourceConnector('SQL Server, by timestamp', () => openWorld('timestamp'));
describeSourceConnector('SQL Server, by rowversion', () => openWorld('rowversion'));
