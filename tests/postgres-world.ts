import type { JsonObject } from '../core/json.ts';
import type { SourceConnector } from '../core/ports/source-connector.ts';
import type { SourceTable, SourceWorld } from './contracts/source-connector.contract.ts';
import { openTestDatabase, type TestDatabase } from './test-database.ts';

/** What connections of the connector under test are called. */
export const applicationName = 'source-under-test';

/** How one way of reading PostgreSQL differs from another. */
export interface PostgresWorldOptions {
  /** Whether tables have the column `changed`, which rises. */
  readonly hasWatermark: boolean;
  /** Said of a table without a primary key. */
  readonly keyless?: (table: string) => string;
  /** What a user needs to have beside the right to read. */
  readonly role?: { readonly attributes: string; prepare(database: TestDatabase, table: string): Promise<unknown> };
  connect(url: string, tables: readonly SourceTable[], batchRowsMax: number): SourceConnector;
  createEdges(database: TestDatabase, table: string): Promise<JsonObject>;
  beforeClose?(database: TestDatabase): Promise<void>;
}

export async function openPostgresWorld(options: PostgresWorldOptions): Promise<SourceWorld> {
  const { hasWatermark, connect, role } = options;
  const database = await openTestDatabase();
  const { pool, url } = database;
  const reader = `${new URL(url).pathname.slice(1)}_reader`;
  const column = hasWatermark ? ', changed TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()' : '';
  const risen = hasWatermark ? ', changed = clock_timestamp()' : '';
  return {
    async createTable(table) {
      await pool.query(`CREATE TABLE ${table} (id INT PRIMARY KEY, name TEXT, qty INT${column})`);
    },
    async createKeyless(table) {
      await pool.query(`CREATE TABLE ${table} (id INT, name TEXT, qty INT${column}); ${options.keyless?.(table) ?? ''}`);
    },
    async put(table, rows) {
      await pool.query(
        `WITH given AS (SELECT * FROM jsonb_to_recordset($1) AS r(id int, name text, qty int)),
           updated AS (UPDATE ${table} t SET name = g.name, qty = g.qty${risen} FROM given g WHERE t.id = g.id RETURNING t.id)
         INSERT INTO ${table} (id, name, qty) SELECT id, name, qty FROM given WHERE id NOT IN (SELECT id FROM updated)`,
        [JSON.stringify(rows)],
      );
    },
    async remove(table, ids) {
      await pool.query(`DELETE FROM ${table} WHERE id = ANY($1)`, [ids]);
    },
    async rekey(table, from, to) {
      await pool.query(`UPDATE ${table} SET id = $2${risen} WHERE id = $1`, [from, to]);
    },
    async addColumn(table, name) {
      await pool.query(`ALTER TABLE ${table} ADD COLUMN ${name} TEXT`);
    },
    async dropTable(table) {
      await pool.query(`DROP TABLE ${table}`);
    },
    createEdges: (table) => options.createEdges(database, table),
    async breakConnections() {
      await pool.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1',
        [applicationName],
      );
    },
    async connectorWithoutRight(table) {
      await pool.query(`CREATE ROLE "${reader}" LOGIN ${role?.attributes ?? ''} PASSWORD 'p'`);
      await role?.prepare(database, table);
      const restricted = new URL(url);
      Object.assign(restricted, { username: reader, password: 'p' });
      return {
        connector: connect(restricted.href, [{ kind: table }], 50),
        async grant() {
          await pool.query(`GRANT SELECT ON ${table} TO "${reader}"`);
        },
      };
    },
    connector: async (tables, batchRowsMax) => connect(url, tables, batchRowsMax),
    async close() {
      await pool.query(`DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${reader}') THEN
        DROP OWNED BY "${reader}"; DROP ROLE "${reader}"; END IF; END $$`);
      await options.beforeClose?.(database);
      await database.close();
    },
  };
}
