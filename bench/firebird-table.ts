import firebird from 'node-firebird';
import { mendLogin } from '../connectors/firebird/driver-login.ts';
import { type FirebirdPlace, placeFrom, placeOptions } from '../connectors/firebird/firebird-place.ts';
import { FirebirdPool } from '../connectors/firebird/firebird-pool.ts';
import type { Rig } from './rig.ts';

export const firebirdTable = 'ITEM';

const fillRows = 100_000;
/** Rows that come for one request, as many as our own reader asks for. */
const fetchedAtOnce = 1_000;

export function firebirdUrl({ firebird: server }: Rig['addresses']): string {
  return `${server!}bench.fdb`;
}

/** A database of the benchmark's own with one table of seven columns, in about 150 bytes. */
export async function createFirebirdTable(rig: Rig, rows: number): Promise<FirebirdPlace> {
  const place = placeFrom(placeOptions.parse({ url: firebirdUrl(rig.addresses), timeout: '120s' }));
  await createDatabase(place);
  const pool = new FirebirdPool(place, 1);
  try {
    await run(
      pool,
      `CREATE TABLE ${firebirdTable} (ID INTEGER NOT NULL PRIMARY KEY, SKU VARCHAR(20), NAME VARCHAR(80), PRICE NUMERIC(10,2), STOCK INTEGER,
         CATEGORY VARCHAR(40), CHANGED TIMESTAMP)`,
    );
    for (let from = 1; from <= rows; from += fillRows) {
      rig.signal.throwIfAborted();
      await run(
        pool,
        `EXECUTE BLOCK AS DECLARE N INTEGER = ${from}; BEGIN
           WHILE (N <= ${Math.min(rows, from + fillRows - 1)}) DO BEGIN
             INSERT INTO ${firebirdTable} VALUES (:N, 'sku-' || :N, 'Cordless drill ' || :N || ', two batteries, charger and case',
               10 + MOD(:N, 900) + 0.25, MOD(:N, 5000), 'Tools/Drills/' || MOD(:N, 50), DATEADD(MOD(:N, 100000) SECOND TO TIMESTAMP '2026-03-01 12:00:00'));
             N = N + 1;
           END
         END`,
      );
    }
    return place;
  } finally {
    await pool.close();
  }
}

interface FetchAnswer {
  readonly data: readonly unknown[];
  readonly fetched: boolean;
}

/** What the driver does alone: every row of the table once, in one statement, looked at by nobody. Rows a second. */
export async function bareLoop({ host, port, database, user, password }: FirebirdPlace, rows: number): Promise<number> {
  mendLogin();
  const attached = await firebird.attachAsync({
    host,
    port,
    database,
    user,
    password,
    encoding: 'UTF8',
    isPool: true,
  } as firebird.Options);
  try {
    const transaction = await attached.transactionAsync(firebird.ISOLATION_REPEATABLE_READ);
    const statement = await transaction.newStatementAsync(`SELECT * FROM ${firebirdTable}`);
    const began = performance.now();
    await statement.executeAsync(transaction, [], { asObject: false } as firebird.QueryOptions);
    let read = 0;
    for (let isLast = false; !isLast; ) {
      const answer = (await statement.fetchAsync(transaction, fetchedAtOnce)) as FetchAnswer;
      read += answer.data.length;
      isLast = answer.fetched;
    }
    const seconds = (performance.now() - began) / 1_000;
    await transaction.commitAsync();
    if (read !== rows) throw new Error(`the driver read ${read} of ${rows} rows`);
    return rows / seconds;
  } finally {
    hangUp(attached);
  }
}

async function run(pool: FirebirdPool, statement: string): Promise<void> {
  await pool.transact('write', (transaction) => transaction.run(statement));
}

async function createDatabase({ host, port, database, user, password }: FirebirdPlace): Promise<void> {
  mendLogin();
  const options = {
    host,
    port,
    database,
    user,
    password,
    encoding: 'UTF8',
    pageSize: 8192,
    defaultCharset: 'UTF8',
    isPool: true,
  };
  hangUp(await firebird.createAsync(options as firebird.Options));
}

/** Saying farewell, the driver keeps its connection for a pool that is not used here. */
function hangUp(database: unknown): void {
  (database as { connection: { _socket: { destroy(): void } } }).connection._socket.destroy();
}
