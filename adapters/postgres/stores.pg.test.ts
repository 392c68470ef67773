import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { useSharedStack } from '../../stack/shared-stack.ts';
import { describeIdentityStore } from '../../tests/contracts/identity-store.ts';
import { describeStageLedger } from '../../tests/contracts/stage-ledger.ts';
import { describeSyncStore } from '../../tests/contracts/sync-store.ts';
import { createIdentityStore } from './identity-store.ts';
import { migrate } from './migrate.ts';
import { createPool } from './pool.ts';
import { createStageLedger } from './stage-ledger.ts';
import { createSyncStore } from './sync-store.ts';

/** A database of the test's own on the shared server. */
async function openDatabase(): Promise<{ pool: pg.Pool; close(): Promise<void> }> {
  const { postgres } = await useSharedStack(inject('stack'), ['postgres']);
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const server = new pg.Client({ connectionString: postgres });
  await server.connect();
  await server.query(`CREATE DATABASE ${name}`);
  const url = new URL(postgres);
  url.pathname = `/${name}`;
  const pool = createPool({ url: url.href, connectionsMax: 4, applicationName: 'contract' });
  await migrate(pool);
  return {
    pool,
    async close() {
      await pool.end();
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await server.end();
    },
  };
}

async function outcomesOf(pool: pg.Pool, topic: string, partition: number): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ outcome: string; records: number }>(
    'SELECT outcome, sum(records)::bigint AS records FROM raw_outcomes WHERE raw_topic = $1 AND raw_partition = $2 GROUP BY outcome',
    [topic, partition],
  );
  return Object.fromEntries(rows.map((row) => [row.outcome, row.records]));
}

describeStageLedger('PostgreSQL', async () => {
  const { pool, close } = await openDatabase();
  return {
    ledger: createStageLedger(pool),
    store: createSyncStore(pool),
    async letter(id, status) {
      await pool.query(
        `INSERT INTO dead_letters (id, raw_topic, raw_partition, raw_offset, stage, source, kind, code, reason, status, failed_at)
         SELECT $1, 't', 0, count(*), 'processor', 's', 'k', 'c', 'r', $2, now() FROM dead_letters
         ON CONFLICT (id) DO UPDATE SET status = excluded.status`,
        [id, status],
      );
    },
    async counts(ref) {
      const { rows } = await pool.query<{ forwarded: number }>(
        'SELECT forwarded FROM processor_progress WHERE topic = $1 AND partition = $2',
        [ref.topic, ref.partition],
      );
      return { forwarded: rows[0]?.forwarded ?? 0, stopped: await outcomesOf(pool, ref.topic, ref.partition) };
    },
    close,
  };
});

describeSyncStore('PostgreSQL', async () => {
  const { pool, close } = await openDatabase();
  return { store: createSyncStore(pool), counts: (ref) => outcomesOf(pool, ref.topic, ref.partition), close };
});

describeIdentityStore('PostgreSQL', async () => {
  const { pool, close } = await openDatabase();
  return { store: createIdentityStore(pool), close };
});
