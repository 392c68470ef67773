import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../../core/change-event.ts';
import { ExactNumber } from '../../core/json.ts';
import type { SourceChange, SourceConnector } from '../../core/ports/source-connector.ts';
import type { SourceTable } from '../../tests/contracts/source-connector.contract.ts';
import { edgeColumns, edgeRow, edgeTypes, logicalPostgres, slotOf, slotsAreFree } from '../../tests/logical-world.ts';
import { type Fate, SourceHouse, type SourceProcess, source } from '../../tests/source-world.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';

const patience = { timeout: 60_000, interval: 50 };
let database: TestDatabase;
let house: SourceHouse;
const opened: SourceConnector[] = [];

beforeEach(async () => {
  database = await openTestDatabase();
  house = new SourceHouse(['a', 'b']);
});
afterEach(async () => {
  await house.close();
  await Promise.all(opened.splice(0).map((connector) => connector.close()));
  await slotsAreFree(database);
  await database.close();
});

const sql = (text: string, values: unknown[] = []) => database.pool.query(text, values);

function connect(tables: readonly SourceTable[], batchRowsMax = 50, holdMs?: number): SourceConnector {
  const connector = logicalPostgres(database.url, tables, batchRowsMax, holdMs);
  opened.push(connector);
  return connector;
}

function start(
  tables: readonly SourceTable[] = [{ kind: 'a' }],
  fate?: (operation: string) => Fate,
  batch?: number,
): Promise<SourceProcess> {
  return house.start(connect(tables, batch), fate);
}

async function keepsUp(kind = 'a'): Promise<void> {
  await expect.poll(() => house.view(kind), patience).toMatchObject({ phase: 'waiting', state: 'running' });
}

async function rowsTold(kind = 'a'): Promise<Record<string, unknown>> {
  return Object.fromEntries(await house.told(kind));
}

function changesOf(events: readonly ChangeEvent[]): string[] {
  return events.map(({ operation, key }) => `${operation} ${key}`);
}

/** How far the server's log reaches: others write to it, too. */
async function endOfLog(): Promise<string> {
  return (await sql('SELECT pg_current_wal_lsn()::text AS lsn')).rows[0].lsn;
}

async function isConfirmed(lsn: string): Promise<boolean> {
  const { rows } = await sql(
    'SELECT confirmed_flush_lsn >= $2::pg_lsn AS confirmed FROM pg_replication_slots WHERE slot_name = $1',
    [slotOf(database.url), lsn],
  );
  return rows[0].confirmed;
}

describe('what PostgreSQL logs', () => {
  it('a row has the same shape in the log as in the table, whatever its types', async () => {
    await sql(`${edgeTypes} CREATE TABLE a (${edgeColumns})`);
    await start();
    await keepsUp();
    await sql(`INSERT INTO a VALUES (${edgeRow})`);
    await expect.poll(async () => (await house.events('a')).length, patience).toBe(1);
    const [logged] = await house.events('a');
    expect(logged?.operation).toBe('create');
    const second = new SourceHouse(['a']);
    await house.close();
    await Promise.all(opened.splice(0).map((connector) => connector.close()));
    house = second;
    await start();
    await expect.poll(async () => (await house.events('a')).length, patience).toBe(1);
    const [read] = await house.events('a');
    expect(read?.operation).toBe('snapshot');
    expect(logged!.data).toEqual(read!.data);
    expect(logged!.data?.big).toEqual(new ExactNumber('9223372036854775807'));
    expect(JSON.stringify(logged!.data)).toBe(JSON.stringify(read!.data));
  });

  it('the changes of a transaction are told in their order, and read again they have the same places', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY, n INT)');
    const process = await start();
    await keepsUp();
    await process.stop();
    await sql(`BEGIN; INSERT INTO a VALUES (1, 1), (2, 1); UPDATE a SET n = 2 WHERE id = 1; UPDATE a SET id = 3 WHERE id = 1;
      DELETE FROM a WHERE id = 2; INSERT INTO a VALUES (2, 9); COMMIT`);
    const read = async () => {
      const stop = new AbortController();
      const notes = { heads: async () => [], body: async () => null };
      const changes: SourceChange[] = [];
      for await (const chunk of connect([{ kind: 'a' }]).streams[0]!.read({ mark: house.view('a')!.mark, notes }, stop.signal)) {
        changes.push(...chunk.changes);
        if (changes.length >= 7) break;
      }
      await Promise.all(opened.splice(0).map((connector) => connector.close()));
      await slotsAreFree(database);
      return changes;
    };
    const first = await read();
    const told = ['create 1', 'create 2', 'update 1', 'delete 1', 'create 3', 'delete 2', 'create 2'];
    expect(first.map(({ operation, key }) => `${operation} ${key}`)).toEqual(told);
    const orders = first.map(({ order }) => order);
    expect(orders).toEqual([...new Set(orders)].sort());
    expect(await read()).toEqual(first);
  });

  it('a transaction larger than any batch goes through, and a process that dies within it is followed', {
    timeout: 60_000,
  }, async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY, n INT)');
    let left = 5;
    await start(undefined, (operation) =>
      house.records('a').length > 0 && operation === 'source.advance' && --left === 0 ? 'dies-before' : 'lives',
    );
    await keepsUp();
    await sql('INSERT INTO a SELECT n, n FROM generate_series(1, 5000) AS n');
    await expect.poll(() => left, patience).toBeLessThanOrEqual(0);
    expect(house.view('a')?.mark).toMatchObject({ at: { seq: expect.any(Number) } });
    const before = house.records('a').length;
    expect(before).toBeLessThan(5_000);
    await start();
    await expect.poll(async () => (await house.told('a')).size, patience).toBe(5_000);
    // What was stored of the transaction is not told again.
    expect(house.records('a').length).toBeLessThan(5_000 + 100);
  });

  it.each([
    ['as it is by default', 'DEFAULT'],
    ['with all of the old row', 'FULL'],
  ])('a long value that does not change is told with the row, %s', async (_how, identity) => {
    await sql(
      `CREATE TABLE a (id INT PRIMARY KEY, n INT, long TEXT); ALTER TABLE a ALTER long SET STORAGE EXTERNAL; ALTER TABLE a REPLICA IDENTITY ${identity}`,
    );
    await start();
    await keepsUp();
    const long = 'x'.repeat(20_000);
    await sql('INSERT INTO a VALUES (1, 1, $1), (2, 1, $1)', [long]);
    await sql('UPDATE a SET n = 2');
    // Gone before anybody can look at it.
    await sql('BEGIN; UPDATE a SET n = 3 WHERE id = 2; DELETE FROM a WHERE id = 2; COMMIT');
    await expect.poll(() => rowsTold(), patience).toEqual({ 1: { id: 1, n: 2, long } });
    for (const { data } of await house.events('a')) if (data !== null) expect(data.long).toBe(long);
  });

  it('a table that is emptied at once tells the deletion of every row, also of those that came after it was read', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY, n INT); INSERT INTO a SELECT n, n FROM generate_series(1, 120) AS n');
    await start();
    await keepsUp();
    await sql('INSERT INTO a VALUES (200, 1)');
    await expect.poll(async () => (await house.told('a')).size, patience).toBe(121);
    await sql(
      'BEGIN; INSERT INTO a VALUES (201, 1); TRUNCATE a; INSERT INTO a VALUES (7, 7); COMMIT; INSERT INTO a VALUES (8, 8)',
    );
    await expect.poll(() => rowsTold(), patience).toEqual({ 7: { id: 7, n: 7 }, 8: { id: 8, n: 8 } });
    await keepsUp();
    await sql('UPDATE a SET n = 9 WHERE id = 7');
    await expect.poll(async () => (await rowsTold())['7'], patience).toEqual({ id: 7, n: 9 });
  });

  it('a table that is read again where its log was lost tells what was deleted meanwhile, also of rows that came later', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY, n INT); INSERT INTO a SELECT n, n FROM generate_series(1, 60) AS n');
    const process = await start();
    await keepsUp();
    await sql('INSERT INTO a VALUES (100, 1), (101, 1)');
    await expect.poll(async () => (await house.told('a')).size, patience).toBe(62);
    await process.stop();
    await slotsAreFree(database);
    await sql('SELECT pg_drop_replication_slot($1)', [slotOf(database.url)]);
    await sql('DELETE FROM a WHERE id IN (5, 100)');
    await sql('INSERT INTO a VALUES (102, 1)');
    await start();
    const standing = [...Array.from({ length: 60 }, (_, at) => at + 1), 101, 102].filter((id) => id !== 5).map(String);
    await expect.poll(async () => Object.keys(await rowsTold()), patience).toEqual(standing);
    expect(house.view('a')?.epoch).toBe(2);
  });
});

describe('several tables on one slot', () => {
  it('one that waits for somebody holds up no other and lets the server forget, and is read anew when it comes back', async () => {
    await sql(
      'CREATE TABLE a (id INT PRIMARY KEY, n INT); CREATE TABLE b (id INT PRIMARY KEY, n INT); INSERT INTO a VALUES (1, 1), (2, 2)',
    );
    const process = await house.start(connect([{ kind: 'a' }, { kind: 'b' }], 50, 500));
    await keepsUp('a');
    await keepsUp('b');
    await house.desk.pause({ source, stream: 'a' }, 'ada');
    await expect.poll(() => Object.keys(process.worker.statuses()), patience).toEqual(['b']);
    await sql('UPDATE a SET n = 10 WHERE id = 1; DELETE FROM a WHERE id = 2');
    await sql('INSERT INTO b SELECT n, n FROM generate_series(1, 200) AS n');
    await expect.poll(async () => (await house.told('b')).size, patience).toBe(200);
    const end = await endOfLog();
    await expect.poll(() => isConfirmed(end), patience).toBe(true);
    await house.desk.resume({ source, stream: 'a' });
    await expect.poll(() => rowsTold('a'), patience).toEqual({ 1: { id: 1, n: 10 } });
    expect(house.view('a')?.epoch).toBe(2);
  });

  it('one that comes back in time goes on where it was', async () => {
    await sql(
      'CREATE TABLE a (id INT PRIMARY KEY, n INT); CREATE TABLE b (id INT PRIMARY KEY, n INT); INSERT INTO a VALUES (1, 1), (2, 2)',
    );
    const process = await start([{ kind: 'a' }, { kind: 'b' }]);
    await keepsUp('a');
    await keepsUp('b');
    await house.desk.pause({ source, stream: 'a' }, 'ada');
    await expect.poll(() => Object.keys(process.worker.statuses()), patience).toEqual(['b']);
    await sql('UPDATE a SET n = 10 WHERE id = 1');
    await sql('INSERT INTO b VALUES (1, 1)');
    await expect.poll(async () => (await house.told('b')).size, patience).toBe(1);
    await house.desk.resume({ source, stream: 'a' });
    await sql('UPDATE b SET n = 2');
    await expect.poll(() => rowsTold('a'), patience).toEqual({ 1: { id: 1, n: 10 }, 2: { id: 2, n: 2 } });
    await expect.poll(() => rowsTold('b'), patience).toEqual({ 1: { id: 1, n: 2 } });
    expect(changesOf(await house.events('a')).sort()).toEqual(['snapshot 1', 'snapshot 2', 'update 1']);
    expect(await house.events('b')).toHaveLength(2);
  });

  it('a quiet table does not keep the log of what others write', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE elsewhere (t TEXT)');
    await start();
    await keepsUp();
    await sql(`INSERT INTO elsewhere SELECT repeat('x', 1000) FROM generate_series(1, 5000)`);
    const end = await endOfLog();
    await expect.poll(() => isConfirmed(end), patience).toBe(true);
  });

  it('a table that somebody takes out of the publication is read anew, and what came meanwhile is not lost', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY)');
    await start();
    await keepsUp();
    const { rows } = await sql('SELECT pubname AS name FROM pg_publication');
    await sql(`ALTER PUBLICATION ${rows[0].name} DROP TABLE a`);
    await sql('INSERT INTO a VALUES (1)');
    await expect.poll(() => house.view('a')?.epoch, patience).toBe(2);
    await sql('INSERT INTO a VALUES (2)');
    await expect.poll(async () => Object.keys(await rowsTold()).sort(), patience).toEqual(['1', '2']);
  });

  it('nothing is confirmed that Kafka does not have', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY)');
    await start();
    await keepsUp();
    house.closeKafka();
    await sql('INSERT INTO a VALUES (1)');
    const end = await endOfLog();
    await sql(`CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)`);
    await sleep(3_000);
    expect(await isConfirmed(end)).toBe(false);
    house.openKafka();
    await expect.poll(async () => (await house.told('a')).size, patience).toBe(1);
  });
});

describe('a first reading that breaks off again and again', () => {
  it('tells in the end what stands, in the order of every key, while rows come, change and go', {
    timeout: 120_000,
  }, async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY, n INT); INSERT INTO a SELECT n, 0 FROM generate_series(1, 2000) AS n');
    let writing = true;
    const writer = (async () => {
      for (let round = 1; writing; round++) {
        const id = 1 + ((round * 37) % 2_000);
        await sql('UPDATE a SET n = $1 WHERE id BETWEEN $2 AND $2 + 5', [round, id]);
        await sql('DELETE FROM a WHERE id = $1', [1 + ((round * 101) % 2_000)]);
        await sql('INSERT INTO a VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = $2', [1 + ((round * 53) % 2_400), round]);
        await sql('UPDATE a SET id = id + 5000 WHERE id = $1', [1 + ((round * 71) % 2_000)]).catch(() => undefined);
      }
    })();
    for (let kill = 0; kill < 4; kill++) {
      let chunks = 0;
      let dead = false;
      await start(undefined, (operation) => {
        if (operation !== 'source.advance' || ++chunks < 6 || dead) return 'lives';
        dead = true;
        return kill % 2 === 0 ? 'dies-before' : 'dies-after';
      });
      await expect.poll(() => dead, patience).toBe(true);
    }
    await start();
    await sleep(1_500);
    writing = false;
    await writer;
    const { rows } = await sql('SELECT id, n FROM a ORDER BY id');
    const standing = Object.fromEntries(rows.map((row) => [String(row.id), row]));
    await expect.poll(() => rowsTold(), { timeout: 60_000, interval: 200 }).toEqual(standing);
    const positions = new Map<string, string[]>();
    for (const { key, position } of await house.events('a')) positions.set(key, [...(positions.get(key) ?? []), position]);
    // Who goes back after a death sends again what was sent: only what is told for the first time has to rise.
    for (const [key, of] of positions) expect([key, [...new Set(of)]]).toEqual([key, [...new Set(of)].sort()]);
  });
});

describe('what keeps the log from being read', () => {
  it('is said with what to do', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY); CREATE VIEW b AS SELECT * FROM a');
    await sql('CREATE TABLE plain (id INT, n INT); ALTER TABLE a REPLICA IDENTITY NOTHING');
    const problemOf = async (table: SourceTable) => (await connect([table]).streams[0]!.check()).problem?.message;
    expect(await problemOf({ kind: 'a' })).toMatch(/REPLICA IDENTITY FULL/);
    expect(await problemOf({ kind: 'b', key: ['id'] })).toMatch(/no table/);
    expect(await problemOf({ kind: 'plain', key: ['id'] })).toMatch(/REPLICA IDENTITY FULL/);
    await sql('ALTER TABLE a REPLICA IDENTITY DEFAULT');
    const { found, problem } = await connect([{ kind: 'a' }]).streams[0]!.check();
    expect(problem).toBeNull();
    expect(found.join('; ')).toMatch(/key id; publication .* not made yet; slot .* not made yet/);
  });

  it('a user who may not replicate or publish is told the statement to run', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY)');
    const name = `r_${new URL(database.url).pathname.slice(3)}`;
    await sql(`CREATE ROLE "${name}" LOGIN PASSWORD 'p'; GRANT SELECT ON a TO "${name}"`);
    const url = new URL(database.url);
    Object.assign(url, { username: name, password: 'p' });
    const connector = logicalPostgres(url.href, [{ kind: 'a' }], 50);
    try {
      expect((await connector.streams[0]!.check()).problem?.message).toMatch(/ALTER ROLE .* REPLICATION/);
      await sql(`ALTER ROLE "${name}" REPLICATION`);
      await house.start(connector);
      await expect
        .poll(() => house.view('a')?.reason, patience)
        .toMatch(/may not publish .*: let \w+ run CREATE PUBLICATION "syncline_t_/);
      await sql(`CREATE PUBLICATION "${slotOf(database.url)}" FOR TABLE a; INSERT INTO a VALUES (1)`);
      await expect.poll(async () => (await house.told('a')).size, patience).toBe(1);
    } finally {
      await house.close();
      await connector.close();
      await sql(`DROP OWNED BY "${name}"; DROP ROLE "${name}"`);
    }
  });

  it('a slot that somebody else reads is left to them', async () => {
    await sql('CREATE TABLE a (id INT PRIMARY KEY)');
    const other = logicalPostgres(database.url, [{ kind: 'a' }], 50, undefined, 'another tool');
    opened.push(other);
    const stranger = await house.start(other);
    await keepsUp();
    const [stream] = connect([{ kind: 'a' }]).streams;
    const mark = house.view('a')!.mark;
    const notes = { heads: async () => [], body: async () => null };
    const reading = stream!.read({ mark, notes }, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(reading.next()).rejects.toThrow(/is read by another tool/);
    expect(stranger.worker.statuses()).toMatchObject({ a: { state: 'reading' } });
  });
});
