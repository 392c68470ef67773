import { afterEach, beforeEach, expect, it } from 'vitest';
import { openTestFirebird, type TestFirebird } from '../../tests/firebird-database.ts';
import { FirebirdTimeout } from './firebird-fault.ts';
import { FirebirdSession } from './firebird-session.ts';

let database: TestFirebird;
beforeEach(async () => {
  database = await openTestFirebird();
});
afterEach(() => database.close());

it('every user can log in, also one whose password has a salt that begins with zeros', { timeout: 90_000 }, async () => {
  const security = { ...database.place, database: 'security.db' };
  const administrator = await FirebirdSession.attach(security);
  const salts: string[] = [];
  for (let at = 0; at < 400 && !salts.some((salt) => salt.startsWith('00')); at++) {
    const user = `SALT${at}`;
    const making = await administrator.begin('write');
    await making.run(`CREATE OR ALTER USER ${user} PASSWORD 'p${at}' USING PLUGIN Srp`);
    await making.commit();
    const looking = await administrator.begin('read');
    const [row] = await looking.rows('SELECT PLG$SALT FROM PLG$SRP WHERE PLG$USER_NAME = ?', [user]);
    await looking.commit();
    const salt = Buffer.isBuffer(row![0]) ? row![0].toString('hex').toUpperCase() : String(row![0]);
    if (salt.startsWith('0')) {
      salts.push(salt);
      const session = await FirebirdSession.attach({ ...database.place, user, password: `p${at}` });
      await session.detach();
    }
    const dropping = await administrator.begin('write');
    await dropping.run(`DROP USER ${user} USING PLUGIN Srp`);
    await dropping.commit();
  }
  await administrator.detach();
  expect(salts.length).toBeGreaterThan(3);
});

it.each(['on', 'off'] as const)('the connection works with encryption %s', async (encryption) => {
  const session = await FirebirdSession.attach({ ...database.place, encryption });
  const transaction = await session.begin('read');
  const [row] = await transaction.rows(`SELECT 'ñ€' FROM RDB$DATABASE`);
  expect(row).toEqual(['ñ€']);
  await transaction.commit();
  await session.detach();
});

it('a question that is not answered in time ends its session, and the next one gets another', async () => {
  const hasty = await FirebirdSession.attach({ ...database.place, timeoutMs: 300 });
  const transaction = await hasty.begin('read');
  const long = transaction.rows('SELECT COUNT(*) FROM RDB$FIELDS A, RDB$FIELDS B, RDB$FIELDS C, RDB$FIELDS D');
  await expect(long).rejects.toBeInstanceOf(FirebirdTimeout);
  expect(hasty.isBroken).toBe(true);
  expect(await database.rows('SELECT 1 FROM RDB$DATABASE')).toEqual([[1]]);
});
