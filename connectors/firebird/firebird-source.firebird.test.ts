import { systemClock } from '../../adapters/process/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { describeSourceConnector, type SourceTable, type SourceWorld } from '../../tests/contracts/source-connector.contract.ts';
import { openTestFirebird } from '../../tests/firebird-database.ts';
import { quoted } from './catalogue.ts';
import { install, planInstall } from './changelog-install.ts';
import { firebirdTableOptions } from './firebird-options.ts';
import type { FirebirdPlace } from './firebird-place.ts';
import { createFirebirdSource } from './firebird-source.ts';

type Mode = 'compare' | 'timestamp' | 'changelog';

const modeOptions: Readonly<Record<Mode, object>> = {
  compare: { mode: 'compare', every: '100ms' },
  timestamp: { mode: 'timestamp', watermark: 'changed', overlap: '20ms', compareKeysEvery: '1s', every: '100ms' },
  changelog: { mode: 'changelog', pollEvery: '100ms' },
};

function sourceAt(place: FirebirdPlace, mode: Mode, tables: readonly SourceTable[], batchRowsMax: number): SourceConnector {
  return createFirebirdSource({
    place,
    entities: tables.map(({ kind, key = [], onSchemaChange = 'pause' }) => ({
      kind,
      key,
      occurredAt: undefined,
      options: firebirdTableOptions.parse({ ...modeOptions[mode], onSchemaChange }),
    })),
    polling: { intervalMs: 100, batchRecordsMax: batchRowsMax },
    clock: systemClock,
  });
}

async function openWorld(mode: Mode): Promise<SourceWorld> {
  const database = await openTestFirebird('WIN1252');
  const { place } = database;
  const users: string[] = [];
  const changed = '"changed" TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL';
  const made = async (table: string, key: readonly string[] = []) => {
    if (mode !== 'changelog') return;
    // As if all applications had connected anew.
    await database.pool.close();
    await install(place, await planInstall(place, [{ table, key }], undefined));
  };
  return {
    async createTable(table) {
      await database.run(
        `CREATE TABLE ${quoted(table)} ("id" INT NOT NULL PRIMARY KEY, "name" BLOB SUB_TYPE TEXT CHARACTER SET UTF8, "qty" INT, ${changed})`,
      );
      await made(table);
    },
    async createKeyless(table) {
      await database.run(
        `CREATE TABLE ${quoted(table)} ("id" INT NOT NULL, "name" BLOB SUB_TYPE TEXT CHARACTER SET UTF8, "qty" INT, ${changed})`,
      );
      await made(table, ['id']);
    },
    async put(table, rows) {
      await database.pool.transact('write', async (transaction) => {
        for (const { id, name, qty } of rows) {
          const values = [name, qty, id];
          const updated = await transaction.run(
            `UPDATE ${quoted(table)} SET "name" = ?, "qty" = ?, "changed" = CAST('NOW' AS TIMESTAMP) WHERE "id" = ?`,
            values,
          );
          if (updated === 0)
            await transaction.run(
              `INSERT INTO ${quoted(table)} ("name", "qty", "id", "changed") VALUES (?, ?, ?, 'NOW')`,
              values,
            );
        }
      });
    },
    async remove(table, ids) {
      await database.run(`DELETE FROM ${quoted(table)} WHERE "id" IN (${ids.join(', ')})`);
    },
    async rekey(table, from, to) {
      await database.run(`UPDATE ${quoted(table)} SET "id" = ${to}, "changed" = CAST('NOW' AS TIMESTAMP) WHERE "id" = ${from}`);
    },
    async addColumn(table, column) {
      await database.run(`ALTER TABLE ${quoted(table)} ADD ${quoted(column)} VARCHAR(10)`);
    },
    async dropTable(table) {
      await database.run(`DROP TABLE ${quoted(table)}`);
    },
    async createEdges(table) {
      await database.run(
        `CREATE TABLE ${quoted(table)} ("id" VARCHAR(10) NOT NULL PRIMARY KEY, ${changed}, PRICE NUMERIC(18,4), BIG BIGINT, RATIO FLOAT, CODE CHAR(5),
           NOTHING VARCHAR(5), EMPTY VARCHAR(5), LAST_ DATE, LATEST TIMESTAMP, FLAG BOOLEAN, RAW BLOB, LONG_ BLOB SUB_TYPE TEXT, WORDS VARCHAR(20),
           ANY_ VARCHAR(20) CHARACTER SET UTF8)`,
      );
      await made(table);
      await database.run(
        `INSERT INTO ${quoted(table)} VALUES ('edge', 'NOW', 12345678901234.5678, -9223372036854775808, 0.1, 'ab', NULL, '', '9999-12-31',
           '9999-12-31 23:59:59.9999', TRUE, X'00FF', ?, 'Añ€', 'Zażółć 漢字 😀')`,
        [Buffer.from('ü'.repeat(100_000))],
      );
      return {
        ...{
          id: 'edge',
          PRICE: '12345678901234.5678',
          BIG: '-9223372036854775808',
          RATIO: 0.1,
          CODE: 'ab',
          NOTHING: null,
          EMPTY: '',
        },
        ...{ LAST_: '9999-12-31', LATEST: '9999-12-31T23:59:59.9999', FLAG: true, RAW: 'AP8=', LONG_: 'ü'.repeat(100_000) },
        ...{ WORDS: 'Añ€', ANY_: 'Zażółć 漢字 😀' },
      };
    },
    async breakConnections() {
      await database.run('DELETE FROM MON$ATTACHMENTS WHERE MON$ATTACHMENT_ID <> CURRENT_CONNECTION AND MON$SYSTEM_FLAG = 0');
    },
    async connectorWithoutRight(table) {
      const user = `R${Math.random().toString(36).slice(2, 10).toUpperCase()}`;
      users.push(user);
      await database.run(`CREATE USER ${user} PASSWORD 'reader'`);
      return {
        connector: sourceAt({ ...place, user, password: 'reader' }, mode, [{ kind: table }], 50),
        async grant() {
          await database.run(`GRANT SELECT ON ${quoted(table)} TO USER ${user}`);
          if (mode === 'changelog') await install(place, await planInstall(place, [{ table, key: [] }], user));
        },
      };
    },
    connector: async (tables, batchRowsMax) => sourceAt(place, mode, tables, batchRowsMax),
    async close() {
      for (const user of users) await database.run(`DROP USER ${user}`);
      await database.close();
    },
  };
}

for (const mode of ['compare', 'timestamp', 'changelog'] as const) {
  describeSourceConnector(`Firebird, mode ${mode},`, () => openWorld(mode));
}
