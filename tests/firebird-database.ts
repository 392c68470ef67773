import { randomUUID } from 'node:crypto';
import firebird from 'node-firebird';
import { inject } from 'vitest';
import { mendLogin } from '../connectors/firebird/driver-login.ts';
import { type FirebirdPlace, placeFrom, placeOptions } from '../connectors/firebird/firebird-place.ts';
import { FirebirdPool } from '../connectors/firebird/firebird-pool.ts';
import type { Cell, Parameter } from '../connectors/firebird/firebird-session.ts';
import { useSharedStack } from '../stack/shared-stack.ts';

export interface TestFirebird {
  readonly url: string;
  readonly place: FirebirdPlace;
  readonly pool: FirebirdPool;
  /** One statement in a transaction of its own. */
  run(statement: string, parameters?: readonly Parameter[]): Promise<void>;
  rows(statement: string, parameters?: readonly Parameter[]): Promise<readonly (readonly Cell[])[]>;
  close(): Promise<void>;
}

/** A database of the test's own on the shared server. */
export async function openTestFirebird(characterSet: 'UTF8' | 'WIN1252' | 'NONE' = 'UTF8'): Promise<TestFirebird> {
  const shared = await useSharedStack(inject('stack'), ['firebird']);
  return createTestFirebird(shared.firebird, characterSet);
}

export async function createTestFirebird(
  server: string,
  characterSet: 'UTF8' | 'WIN1252' | 'NONE' = 'UTF8',
): Promise<TestFirebird> {
  const url = `${server}t_${randomUUID().replaceAll('-', '')}.fdb`;
  const place = placeFrom(placeOptions.parse({ url, timeout: '15s' }));
  await createDatabase(place, characterSet);
  const pool = new FirebirdPool(place, 4);
  return {
    url,
    place,
    pool,
    run: async (statement, parameters) => {
      await pool.transact('write', (transaction) => transaction.run(statement, parameters));
    },
    rows: (statement, parameters) => pool.read((transaction) => transaction.rows(statement, parameters)),
    close: () => pool.close(),
  };
}

async function createDatabase({ host, port, database, user, password }: FirebirdPlace, defaultCharset: string): Promise<void> {
  mendLogin();
  const options = { host, port, database, user, password, encoding: 'UTF8', pageSize: 8192, defaultCharset, isPool: true };
  const created = await firebird.createAsync(options as firebird.Options);
  (created as unknown as { connection: { _socket: { destroy(): void } } }).connection._socket.destroy();
}
