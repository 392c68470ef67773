import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import type { SourceChange, SourceChunk, SourceMark, StreamNotes } from '../../core/ports/source-connector.ts';
import { openTestFirebird, type TestFirebird } from '../../tests/firebird-database.ts';
import { applyPlan, install, planInstall, planUninstall } from './changelog-install.ts';
import { logNamesOf } from './changelog-schema.ts';
import { ChangelogStream } from './changelog-stream.ts';
import { FirebirdSession } from './firebird-session.ts';
import { FirebirdTableReader } from './firebird-table-reader.ts';

const noNotes: StreamNotes = { heads: async () => [], body: async () => null };
const names = logNamesOf('T');

describe('the change log of a Firebird table', () => {
  let database: TestFirebird;
  let reader: FirebirdTableReader;
  let ending: AbortController;
  let streams: AsyncGenerator<SourceChunk>[];

  beforeEach(async () => {
    database = await openTestFirebird();
    reader = new FirebirdTableReader(database.place, 2);
    ending = new AbortController();
    streams = [];
    await database.run('CREATE TABLE T (ID INT NOT NULL PRIMARY KEY, N INT)');
    await database.run('INSERT INTO T VALUES (1, 1)');
  });
  afterEach(async () => {
    ending.abort();
    for (const stream of streams) await stream.return(undefined);
    await reader.close();
    await database.close();
  });

  async function installed(): Promise<void> {
    await database.pool.close();
    expect(await install(database.place, await planInstall(database.place, [{ table: 't', key: [] }], undefined))).toEqual([]);
  }

  function read(mark: SourceMark | null = null, pollIntervalMs = 50): AsyncGenerator<SourceChunk> {
    const stream = new ChangelogStream({
      kind: 't',
      place: database.place,
      reader,
      clock: systemClock,
      onSchemaChange: 'pause',
      selection: { table: 't', key: [], columns: undefined, watermark: null },
      pollIntervalMs,
      batchRowsMax: 100,
    }).read({ mark, notes: noNotes }, ending.signal);
    streams.push(stream);
    return stream;
  }

  /** Up to the next time it has kept up with changes in hand. */
  async function untilKept(stream: AsyncGenerator<SourceChunk>): Promise<{ changes: SourceChange[]; mark: SourceMark }> {
    const changes: SourceChange[] = [];
    for (;;) {
      const { value } = await stream.next();
      const chunk = value as SourceChunk;
      changes.push(...chunk.changes);
      if (chunk.phase === 'waiting') return { changes, mark: chunk.mark };
    }
  }

  const said = ({ changes }: { changes: readonly SourceChange[] }) =>
    changes.map(({ key, operation, data }) => `${operation} ${key}${data === null ? '' : ` ${data.N}`}`);

  it('what is committed late, under a number lower than others already read, is told', async () => {
    await installed();
    const stream = read();
    await untilKept(stream);
    const late = await FirebirdSession.attach(database.place);
    const transaction = await late.begin('drain');
    await transaction.run('INSERT INTO T VALUES (2, 2)');
    await database.run('INSERT INTO T VALUES (3, 3)');
    expect(said(await untilKept(stream))).toEqual(['update 3 3']);
    await transaction.commit();
    await late.detach();
    expect(said(await untilKept(stream))).toEqual(['update 2 2']);
  });

  it('what is committed while the log is emptied is told next', async () => {
    await installed();
    const stream = read();
    await untilKept(stream);
    const late = await FirebirdSession.attach(database.place);
    const transaction = await late.begin('drain');
    await transaction.run('UPDATE T SET N = 7 WHERE ID = 1');
    await database.run('INSERT INTO T VALUES (3, 3)');
    const emptied = await untilKept(stream);
    // Between the reading and the deletion of what was read.
    await transaction.commit();
    await late.detach();
    expect(said(emptied)).toEqual(['update 3 3']);
    expect(said(await untilKept(stream))).toEqual(['update 1 7']);
  });

  it('nothing leaves the log before it is asked for more, which means that Kafka has it', async () => {
    await installed();
    const stream = read();
    const { mark } = await untilKept(stream);
    await database.run('INSERT INTO T VALUES (2, 2)');
    const first = await untilKept(stream);
    expect(said(first)).toEqual(['update 2 2']);
    await stream.return(undefined);
    const again = read(mark);
    expect(said(await untilKept(again))).toEqual(['update 2 2']);
  });

  it('an event wakes the reader long before it would look by itself', async () => {
    await installed();
    const stream = read(null, 600_000);
    await untilKept(stream);
    const next = untilKept(stream);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await database.run('DELETE FROM T WHERE ID = 1');
    expect(said(await next)).toEqual(['delete 1']);
  });

  it('a log that was full is not trusted: everything is read anew', async () => {
    await installed();
    const stream = read();
    const { mark } = await untilKept(stream);
    await stream.return(undefined);
    // As if a million changes had been noted unread.
    await database.run(`SELECT GEN_ID(SYNCLINE_ID, 2000000) FROM RDB$DATABASE`);
    await database.run('INSERT INTO T VALUES (2, 2)');
    await database.run('DELETE FROM T WHERE ID = 1');
    expect(await database.rows('SELECT COUNT(*) FROM SYNCLINE_LOG')).toEqual([['1']]);
    await expect(untilKept(read(mark))).rejects.toMatchObject({ code: 'source.position-lost' });
    const anew = read();
    expect(said(await untilKept(anew))).toEqual(['snapshot 2 2', 'delete 1']);
    await database.run('UPDATE T SET N = 3');
    expect(said(await untilKept(anew))).toEqual(['update 2 3']);
  });

  it('whoever was connected before the triggers were made has to leave first', async () => {
    const earlier = await FirebirdSession.attach(database.place);
    await database.pool.close();
    const [line] = await install(database.place, await planInstall(database.place, [{ table: 't', key: [] }], undefined));
    expect(line).toContain('SYSDBA');
    await expect(untilKept(read())).rejects.toMatchObject({
      code: 'source.misconfigured',
      message: expect.stringContaining('may write past it'),
    });
    await earlier.detach();
    expect(said(await untilKept(read()))).toEqual(['snapshot 1 1']);
  });

  it('a log that was made by hand is trusted only when it is known who was connected before', async () => {
    const plan = await planInstall(database.place, [{ table: 't', key: [] }], undefined);
    await database.pool.close();
    await applyPlan(database.place, plan);
    await expect(untilKept(read())).rejects.toThrow('made by hand');
    const earlier = await FirebirdSession.attach(database.place);
    expect(await install(database.place, await planInstall(database.place, [{ table: 't', key: [] }], undefined))).toHaveLength(
      1,
    );
    await earlier.detach();
    await installed();
    expect(said(await untilKept(read()))).toEqual(['snapshot 1 1']);
  });

  it('a transaction from before the log was complete is waited for', async () => {
    await installed();
    await database.run(`SELECT GEN_ID(SYNCLINE_ID, 2000000), GEN_ID(${names.lost}, 0) FROM RDB$DATABASE`);
    const late = await FirebirdSession.attach(database.place);
    const transaction = await late.begin('drain');
    await transaction.run('UPDATE T SET N = 9');
    let isTold = false;
    const told = untilKept(read()).then((result) => {
      isTold = true;
      return result;
    });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(isTold).toBe(false);
    await transaction.commit();
    await late.detach();
    expect(said(await told)).toEqual(['snapshot 1 9']);
  });

  it('a user who may write the table needs no right on the log', async () => {
    await installed();
    const user = `A${Date.now().toString(36).toUpperCase()}`;
    await database.run(`CREATE USER ${user} PASSWORD 'app'`);
    await database.run(`GRANT SELECT, INSERT, UPDATE, DELETE ON T TO USER ${user}`);
    const application = await FirebirdSession.attach({ ...database.place, user, password: 'app' });
    const transaction = await application.begin('write');
    await transaction.run('INSERT INTO T VALUES (5, 5)');
    await transaction.commit();
    await application.detach();
    await database.run(`DROP USER ${user}`);
    expect(await database.rows('SELECT COUNT(*) FROM SYNCLINE_LOG')).toEqual([['1']]);
  });

  it('installing twice changes nothing, and uninstalling leaves nothing', async () => {
    const ours = `SELECT COUNT(*) FROM RDB$RELATIONS WHERE RDB$RELATION_NAME STARTING 'SYNCLINE' UNION ALL
      SELECT COUNT(*) FROM RDB$GENERATORS WHERE RDB$GENERATOR_NAME STARTING 'SYNCLINE' UNION ALL
      SELECT COUNT(*) FROM RDB$TRIGGERS WHERE RDB$TRIGGER_NAME STARTING 'SYNCLINE'`;
    await installed();
    expect((await planInstall(database.place, [{ table: 't', key: [] }], undefined)).statements).toEqual([]);
    await database.pool.close();
    await applyPlan(database.place, await planUninstall(database.place, ['t']));
    expect(await database.rows(ours)).toEqual([['0'], ['0'], ['0']]);
    await expect(untilKept(read())).rejects.toThrow('`syncline firebird install`');
  });
});
