import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import firebird from 'node-firebird';
import { mendLogin } from '../../connectors/firebird/driver-login.ts';
import { placeFrom, placeOptions } from '../../connectors/firebird/firebird-place.ts';
import { FirebirdPool } from '../../connectors/firebird/firebird-pool.ts';
import { type RunningStack, startStack } from '../../stack/stack.ts';

/** A Firebird server of its own with two databases that hold nearly the same, for those who have none at hand. */
export async function startDatabases(dataDir: string): Promise<{ stack: RunningStack; a: string; b: string }> {
  mkdirSync(dataDir, { recursive: true });
  const stack = await startStack({ dataDir: join(dataDir, 'firebird-demo'), parts: ['firebird'] });
  const [a, b] = [`${stack.addresses.firebird}a.fdb`, `${stack.addresses.firebird}b.fdb`];
  await fill(a, 'UTF8', [
    'CREATE TABLE PRODUCT (SKU VARCHAR(20) NOT NULL PRIMARY KEY, NAME VARCHAR(60), PRICE NUMERIC(12,2), STOCK INT)',
    `INSERT INTO PRODUCT VALUES ('LAMP-1', 'Lamp', 10.00, 5)`,
    `INSERT INTO PRODUCT VALUES ('CHAIR-1', 'Chair', 49.90, 2)`,
    `INSERT INTO PRODUCT VALUES ('ONLY-A', 'Desk', 120.00, 1)`,
  ]);
  await fill(b, 'WIN1252', [
    'CREATE TABLE ARTICULO (CODIGO VARCHAR(20) NOT NULL PRIMARY KEY, NOMBRE VARCHAR(60), PRECIO NUMERIC(12,2), EXISTENCIAS INT)',
    `INSERT INTO ARTICULO VALUES ('LAMP-1', 'Lamp', 10.00, 5)`,
    `INSERT INTO ARTICULO VALUES ('CHAIR-1', 'Chair', 52.50, 2)`,
    `INSERT INTO ARTICULO VALUES ('ONLY-B', 'Sofá', 300.00, 1)`,
  ]);
  return { stack, a, b };
}

/** Nothing happens to a database that is there already. */
async function fill(url: string, defaultCharset: string, statements: readonly string[]): Promise<void> {
  mendLogin();
  const place = placeFrom(placeOptions.parse({ url }));
  const { host, port, database, user, password } = place;
  const options = { host, port, database, user, password, encoding: 'UTF8', defaultCharset, isPool: true };
  const opened = await firebird.attachOrCreateAsync(options as firebird.Options);
  (opened as unknown as { connection: { _socket: { destroy(): void } } }).connection._socket.destroy();
  const pool = new FirebirdPool(place, 1);
  const [row] = await pool.read((transaction) =>
    transaction.rows('SELECT COUNT(*) FROM RDB$RELATIONS WHERE RDB$SYSTEM_FLAG = 0'),
  );
  if (Number(row![0]) === 0) {
    for (const statement of statements) await pool.transact('write', (transaction) => transaction.run(statement));
  }
  await pool.close();
}
