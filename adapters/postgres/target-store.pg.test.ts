import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { checksumOf } from '../../core/canonical/canonical.ts';
import type { EntityId, EventId } from '../../core/change-event.ts';
import { type ExactNumber, numberFromText, stringifyExact } from '../../core/json.ts';
import { describeTargetStore } from '../../tests/contracts/target-store.ts';
import { openTestDatabase } from '../../tests/test-database.ts';
import { createTargetDesk } from './target-desk.ts';
import { createTargetStore } from './target-store.ts';
import { noteWriteBacks, readWriteBacks } from './write-backs.ts';

describeTargetStore('PostgreSQL', async () => {
  const { pool, close } = await openTestDatabase();
  const desk = createTargetDesk(pool);
  return {
    store: createTargetStore(pool),
    async putStates(rows) {
      for (const row of rows) {
        await pool.query(
          `INSERT INTO sync_state (entity_id, source_type, last_sync_at, version, data, status, kind, position, checksum, event_id, voice)
           VALUES ($1, $2, now(), $3, $4, $5, $6, $7, $8, $9, $10)`,
          [
            row.entityId,
            row.sourceType,
            row.version,
            row.data === null ? null : stringifyExact(row.data),
            row.deleted ? 'deleted' : 'synced',
            row.kind,
            row.position,
            row.checksum,
            row.eventId,
            row.voice === null ? null : JSON.stringify(row.voice),
          ],
        );
      }
    },
    async rebind(key, to) {
      await pool.query(
        `INSERT INTO entity_bindings (source, kind, key, entity_id) VALUES ('crm', 'product', $1, $2)
         ON CONFLICT (source, kind, key) DO UPDATE SET entity_id = excluded.entity_id`,
        [key, to],
      );
    },
    async merge(from, into) {
      await pool.query(`INSERT INTO entity_merges (entity_id, survivor, merged_by) VALUES ($1, $2, 'Ann')`, [from, into]);
    },
    async note(note) {
      const client = await pool.connect();
      await noteWriteBacks(client, [note]).finally(() => client.release());
    },
    async noted() {
      return (await pool.query<{ id: string }>('SELECT id FROM echo_ledger ORDER BY seq')).rows.map(({ id }) => id);
    },
    async replay() {
      await desk.replay({ target: 'crm' }, 10);
    },
    async letterStatus(entityId) {
      const { rows } = await desk.letters({}, { after: null, limit: 10 });
      return rows.find((letter) => letter.entityId === entityId)?.status;
    },
    close,
  };
});

test('the sync manager reads what it has not heard of and what was not told, of the records that still stand under the entity', async () => {
  const { pool, close } = await openTestDatabase();
  const client = await pool.connect();
  try {
    const store = createTargetStore(pool);
    const lease = await store.acquire('crm', { topic: 'resolved.product', partition: 0 });
    const entityId = 'product:A' as EntityId;
    const [first, second] = [randomUUID(), randomUUID()];
    const replaced = { price: numberFromText('0.10') as ExactNumber };
    const echo = {
      entityId,
      kind: 'product',
      key: 'A',
      version: 1,
      eventId: '00000000-0000-8000-8000-000000000001' as EventId,
      through: 0,
      knowledge: { SHOP: 1 },
      expected: checksumOf({ price: 1 }),
      intended: { price: 2 },
      replaced,
      echo: checksumOf({ price: 2 }),
    };
    await store.begin(lease, [{ ...echo, id: first }]);
    const asked = () => readWriteBacks(pool, ['crm'], [entityId]);
    const { version: _version, kind: _kind, key: _key, through: _through, intended: _intended, ...told } = echo;
    const unheard = { ...told, id: first, target: 'crm', heard: false, told: false, deletes: false, returned: null };
    expect(await asked()).toEqual([unheard]);
    expect(await readWriteBacks(pool, ['erp'], [entityId])).toEqual([]);
    await noteWriteBacks(client, [{ id: first, heard: true, told: false, doubted: false }]);
    await store.begin(lease, [{ ...echo, id: second, intended: null, echo: null }]);
    expect(await asked()).toMatchObject([
      { id: first, heard: true, replaced: null },
      { id: second, heard: false, deletes: true, echo: null },
    ]);
    await noteWriteBacks(client, [{ id: first, heard: true, told: true, doubted: false }]);
    expect(await asked()).toMatchObject([{ id: second }]);
    await pool.query(`INSERT INTO entity_bindings (source, kind, key, entity_id) VALUES ('crm', 'product', 'A', 'product:B')`);
    expect(await asked()).toEqual([]);
  } finally {
    client.release();
    await close();
  }
});

test('a person sees the letters, has them tried again, discards them, and lets a paused target go on', async () => {
  const { pool, close } = await openTestDatabase();
  try {
    const [store, desk] = [createTargetStore(pool), createTargetDesk(pool)];
    const lease = await store.acquire('crm', { topic: 'resolved.product', partition: 0 });
    const letterOf = (key: string) => ({
      entityId: `product:${key}` as never,
      targetType: 'CRM',
      kind: 'product',
      key,
      version: 1,
      code: 'target.flapping' as const,
      reason: 'r',
      details: { fields: ['name'] },
    });
    const state = { key: 'A', version: 1, intended: null, checksum: null, flips: 1, frozen: true };
    const nothing = {
      written: [],
      closed: [],
      assured: [],
      states: [],
      letters: [],
      reached: [],
      counts: { known: 0, changed: 0, deleted: 0 },
    };
    await store.settle(
      lease,
      {
        ...nothing,
        states: ['A', 'B'].map((key) => ({ ...state, key, entityId: `product:${key}` as never, kind: 'product' })),
        letters: [letterOf('A'), letterOf('B')],
        counts: { known: 9, changed: 4, deleted: 4 },
      },
      1_000,
    );
    const first = await desk.letters({ target: 'crm' }, { after: null, limit: 1 });
    const second = await desk.letters({ target: 'crm' }, { after: first.next, limit: 1 });
    expect([...first.rows, ...second.rows].map(({ key }) => key).sort()).toEqual(['A', 'B']);
    expect(second.next).toBeNull();
    expect(first.rows[0]).toMatchObject({ status: 'parked', details: { fields: ['name'] }, attempts: 1 });
    const [a, b] = ['A', 'B'].map((key) => [...first.rows, ...second.rows].find((letter) => letter.key === key)!.id);
    const conflicts = async () =>
      (await pool.query('SELECT entity_id, source_type, conflict_type, status, resolution FROM conflict_log ORDER BY entity_id'))
        .rows;
    const flapping = { source_type: 'CRM', conflict_type: 'flapping', status: 'open', resolution: 'manual' };
    expect(await conflicts()).toEqual([
      { entity_id: 'product:A', ...flapping },
      { entity_id: 'product:B', ...flapping },
    ]);
    expect(await desk.replay({ ids: [a!] }, 10)).toBe(1);
    expect(await store.replaying(lease, 10)).toEqual(['product:A']);
    const frozen = async () => (await pool.query('SELECT key, frozen, flips FROM target_state ORDER BY key')).rows;
    const [thawed, still] = [
      { frozen: false, flips: 0 },
      { frozen: true, flips: 1 },
    ];
    expect(await frozen()).toEqual([
      { key: 'A', ...thawed },
      { key: 'B', ...still },
    ]);
    expect(await desk.discard(b!, 'ann', 'known')).toBe(true);
    expect(await frozen()).toEqual([
      { key: 'A', ...thawed },
      { key: 'B', ...thawed },
    ]);
    expect(await desk.discard(b!, 'ann', 'again')).toBe(false);
    await store.settle(lease, { ...nothing, reached: [{ entityId: 'product:A' as never, version: 1 }] }, 1_000);
    expect(await conflicts()).toEqual([
      { entity_id: 'product:A', ...flapping, status: 'resolved', resolution: 'applied' },
      { entity_id: 'product:B', ...flapping, status: 'skipped', resolution: 'skipped' },
    ]);
    expect((await desk.letters({ status: ['discarded'] }, { after: null, limit: 5 })).rows[0]?.details).toMatchObject({
      discardedBy: 'ann',
    });
    await store.pause('crm', 'too much');
    expect(await desk.approve('crm', 'ann', 5_000)).toBe(true);
    expect(await desk.guards()).toMatchObject([
      { target: 'crm', state: 'running', reason: null, known: 9, changed: 0, deleted: 0, approvedUntilMs: 5_000 },
    ]);
    expect(await desk.approve('nobody', 'ann', 5_000)).toBe(false);
  } finally {
    await close();
  }
});
