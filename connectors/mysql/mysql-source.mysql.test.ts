import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { describeSourceConnector, type SourceTable, type SourceWorld } from '../../tests/contracts/source-connector.contract.ts';
import { mysqlPool, openTestMysql } from '../../tests/mysql-database.ts';
import { polledSource } from '../../tests/polled-world.ts';
import { MysqlTableReader } from './mysql-table-reader.ts';
import { textLiteral } from './sql-literal.ts';

type Mode = 'compare' | 'timestamp';

/** Rows are written one after the other, each in a transaction of its own: none appears later than one with a higher watermark. */
const modeOptions: Readonly<Record<Mode, object>> = {
  compare: { mode: 'compare' },
  timestamp: { mode: 'timestamp', watermark: 'changed', overlap: '10ms', compareKeysEvery: '1s' },
};

function polledMysql(url: string, mode: Mode, tables: readonly SourceTable[], batchRowsMax: number): SourceConnector {
  const reader = new MysqlTableReader(mysqlPool(url, 4, '10s', 'source-under-test'));
  return polledSource(reader, modeOptions[mode], tables, batchRowsMax);
}

const edgeColumns = {
  price: ['DECIMAL(38,10)', '1234567890123456789012345678.0123456789', '1.2345678901234567890123456780123456789e+27'],
  big: ['BIGINT', '-9223372036854775808', '-9223372036854775808'],
  huge: ['BIGINT UNSIGNED', '18446744073709551615', '18446744073709551615'],
  small: ['TINYINT', '-128', -128],
  filled: ['INT(6) ZEROFILL', '7', 7],
  flag: ['BOOLEAN', 'true', 1],
  ratio: ['DOUBLE', '0.1e0', 0.1],
  tiny: ['DOUBLE', '2.2250738585072014e-308', 2.2250738585072014e-308],
  single: ['FLOAT', '16777217.0e0', 16_777_216],
  tenth: ['FLOAT', '0.1', 0.1],
  bits: ['BIT(64)', `b'1${'0'.repeat(62)}1'`, '9223372036854775809'],
  bit: ['BIT(1)', `b'1'`, 1],
  born: ['YEAR', '1999', 1999],
  code: ['CHAR(5)', `'ab'`, 'ab'],
  empty: ['VARCHAR(10)', `''`, ''],
  nothing: ['VARCHAR(10)', 'NULL', null],
  old: ['VARCHAR(20) CHARACTER SET latin1', `'Müller €'`, 'Müller €'],
  words: ['TEXT', textLiteral('Zażółć 漢字 😀 "\\'), 'Zażółć 漢字 😀 "\\'],
  at: ['TIMESTAMP(6) NULL', `'2026-03-01 12:00:00.123456'`, '2026-03-01T12:00:00.123456Z'],
  seconds: ['TIMESTAMP NULL', `'2026-03-29 02:30:00'`, '2026-03-29T02:30:00Z'],
  local: ['DATETIME(6)', `'2026-03-29 02:30:00.1'`, '2026-03-29T02:30:00.1'],
  last: ['DATETIME', `'9999-12-31 23:59:59'`, '9999-12-31T23:59:59'],
  never: ['DATETIME', `'0000-00-00 00:00:00'`, '0000-00-00T00:00:00'],
  day: ['DATE', `'1000-01-01'`, '1000-01-01'],
  zero_day: ['DATE', `'2026-00-00'`, '2026-00-00'],
  took: ['TIME(3)', `'-838:59:59.000'`, '-838:59:59'],
  mood: [`ENUM('sad','happy')`, `'happy'`, 'happy'],
  marks: [`SET('a','b','c')`, `'c,a'`, ['a', 'c']],
  no_marks: [`SET('a','b','c')`, `''`, []],
  extra: [
    'JSON',
    `'{"b": 1.10, "a": [1, null], "n": 12345678901234567890}'`,
    { b: 1.1, a: [1, null], n: '12345678901234567890' },
  ],
  raw: ['VARBINARY(10)', `X'00ff27'`, 'AP8n'],
  padded: ['BINARY(4)', `X'01'`, 'AQAAAA=='],
  picture: ['LONGBLOB', `REPEAT(X'ff', 3000)`, Buffer.alloc(3_000, 0xff).toString('base64')],
  long: ['LONGTEXT', `REPEAT('ü', 100000)`, 'ü'.repeat(100_000)],
  ref: ['UUID', `'6f9619ff-8b86-d011-b42d-00c04fc964ff'`, '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
} as const;

async function openWorld(mode: Mode): Promise<SourceWorld> {
  const database = await openTestMysql();
  const changed = 'changed TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)';
  const literalOf = (value: string | number | null) =>
    value === null ? 'NULL' : typeof value === 'number' ? String(value) : textLiteral(value);
  return {
    createTable: (table) => database.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, name TEXT, qty INT, ${changed})`),
    createKeyless: (table) => database.run(`CREATE TABLE ${table} (id INT, name TEXT, qty INT, ${changed})`),
    async put(table, rows) {
      await database.pool.use(async (session) => {
        for (const { id, name, qty } of rows) {
          const set = `name = ${literalOf(name)}, qty = ${literalOf(qty)}`;
          const [met] = await session.run([`UPDATE ${table} SET ${set} WHERE id = ${id}`]);
          if (met === 0) await session.run([`INSERT INTO ${table} SET id = ${id}, ${set}`]);
        }
      });
    },
    remove: (table, ids) => database.run(`DELETE FROM ${table} WHERE id IN (${ids.join(', ')})`),
    rekey: (table, from, to) => database.run(`UPDATE ${table} SET id = ${to} WHERE id = ${from}`),
    addColumn: (table, column) => database.run(`ALTER TABLE ${table} ADD COLUMN ${column} TEXT`),
    dropTable: (table) => database.run(`DROP TABLE ${table}`),
    async createEdges(table) {
      const columns = Object.entries(edgeColumns);
      await database.run(
        `CREATE TABLE ${table} (id VARCHAR(10) PRIMARY KEY, ${columns.map(([name, [type]]) => `\`${name}\` ${type}`).join(', ')}, ${changed})`,
        `INSERT INTO ${table} SET id = 'edge', ${columns.map(([name, [, value]]) => `\`${name}\` = ${value}`).join(', ')}`,
      );
      return { id: 'edge', ...Object.fromEntries(columns.map(([name, [, , told]]) => [name, structuredClone(told)])) } as never;
    },
    async breakConnections() {
      const ids = await database.rows(
        `SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '${database.name}' AND ID <> CONNECTION_ID()`,
      );
      for (const [id] of ids) await database.run(`KILL CONNECTION ${id}`).catch(() => undefined);
    },
    async connectorWithoutRight(table) {
      const { url, user } = await database.newUser();
      return {
        connector: polledMysql(url, mode, [{ kind: table }], 50),
        grant: () => database.run(`GRANT SELECT ON ${table} TO ${user}`),
      };
    },
    connector: async (tables, batchRowsMax) => polledMysql(database.url, mode, tables, batchRowsMax),
    close: () => database.close(),
  };
}

describeSourceConnector('MariaDB, compared', () => openWorld('compare'));
describeSourceConnector('MariaDB, by timestamp', () => openWorld('timestamp'));
