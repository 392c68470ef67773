import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deadLetterOf } from '../../core/dead-letter.ts';
import { type ErrorCode, SyncError } from '../../core/errors.ts';
import type { LogProducer, OutgoingRecord } from '../../core/ports/event-log.ts';
import { replayDeadLetters, retryDueDeadLetters } from '../../sync-manager/dead-letter-replay.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { systemClock } from '../process/clock.ts';
import { createApiKeyStore } from './api-key-store.ts';
import { createDeadLetterStore } from './dead-letter-store.ts';
import { createIngestStore } from './ingest-store.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase(8);
});
afterAll(() => database.close());

describe('requests with an idempotency key', () => {
  const claimOf = (idempotencyKey: string, bodyHash: string, key = 'k') => ({
    scope: 's',
    idempotencyKey,
    bodyHash: bodyHash.repeat(64),
    drawn: [{ key, position: '00000001:1-a', occurredAt: '2026-01-01T00:00:00Z' }],
  });

  test('the first claim of a key stands, in one call and in the next', async () => {
    const store = createIngestStore(database.pool);
    const claims = [claimOf('a', '1', 'first'), claimOf('b', '1'), claimOf('a', '2', 'second')];
    const requests = await store.claim(claims);
    expect(requests.map((request) => [request.idempotencyKey, request.drawn[0]?.key])).toEqual([
      ['a', 'first'],
      ['b', 'k'],
      ['a', 'first'],
    ]);
    expect(await store.claim([claimOf('a', '3', 'third')])).toMatchObject([{ bodyHash: '1'.repeat(64), accepted: false }]);
    await store.markAccepted(requests);
    expect(await store.claim([claimOf('a', '1')])).toMatchObject([{ accepted: true, drawn: [{ key: 'first' }] }]);
  });

  test('processes that claim the same keys at once agree', async () => {
    const store = createIngestStore(database.pool);
    const keys = Array.from({ length: 50 }, (_none, at) => `same-${at}`);
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_none, process) =>
        store.claim((process % 2 === 0 ? keys : keys.toReversed()).map((key) => claimOf(key, '1', `by-${process}`))),
      ),
    );
    const drawn = answers.flat().map((request) => `${request.idempotencyKey} ${request.drawn[0]?.key}`);
    expect(new Set(drawn).size).toBe(keys.length);
  });

  test('old ones are forgotten, so many at once', async () => {
    const store = createIngestStore(database.pool);
    await store.claim(['x', 'y', 'z'].map((key) => claimOf(`old-${key}`, '1')));
    await database.pool.query(`UPDATE ingest_requests SET created_at = '2020-01-01' WHERE idempotency_key LIKE 'old-%'`);
    expect(await store.forget(Date.UTC(2021, 0), 2)).toBe(2);
    expect(await store.forget(Date.UTC(2021, 0), 2)).toBe(1);
    expect(await store.forget(Date.UTC(2021, 0), 2)).toBe(0);
  });
});

describe('API keys', () => {
  test('of two processes that start together one makes the first key', async () => {
    const store = createApiKeyStore(database.pool);
    const made = await Promise.all(Array.from({ length: 5 }, (_none, at) => store.createFirst('first', String(at).repeat(64))));
    expect(made.filter((key) => key !== null)).toHaveLength(1);
  });

  test('a revoked key is not found and stays listed', async () => {
    const store = createApiKeyStore(database.pool);
    const { id } = await store.create('ci', 'viewer', 'f'.repeat(64));
    expect(await store.findByHash('f'.repeat(64))).toMatchObject({ id, role: 'viewer', revokedAt: null });
    expect([await store.revoke(id), await store.revoke(id)]).toEqual([true, false]);
    expect(await store.findByHash('f'.repeat(64))).toBeNull();
    expect((await store.list()).find((key) => key.id === id)?.revokedAt).toMatch(/Z$/);
  });
});

describe('dead letters', () => {
  const policy = { attemptsMax: 2, delayMs: 1_000, delayMsMax: 60_000 };
  const letterAt = (offset: number, code: ErrorCode = 'mapping.failed', replayOf?: string) =>
    deadLetterOf(
      {
        origin: { topic: 'source.shop.orders', partition: 1, offset },
        stage: 'processor',
        source: 'shop',
        kind: 'orders',
        key: `o-${offset}`,
        body: Buffer.from(`{"n":${offset},"big":12345678901234567890}`),
        replayOf,
      },
      new SyncError(code, `no. ${offset} \0 \ud800`, { details: { field: 'a\0b' } }),
      Date.UTC(2026, 0, 1, 0, 0, offset),
    );

  class FakeProducer implements LogProducer {
    readonly sent: OutgoingRecord[] = [];
    async send(records: readonly OutgoingRecord[]): Promise<void> {
      this.sent.push(...records);
    }
    async close(): Promise<void> {}
  }

  beforeEach(() => database.pool.query('DELETE FROM dead_letters'));

  test('a letter is kept once, with text PostgreSQL takes and its bytes whole', async () => {
    const store = createDeadLetterStore(database.pool);
    await store.record([letterAt(1), letterAt(1)], policy);
    await store.record([letterAt(1)], policy);
    expect(await store.count({})).toBe(1);
    const found = await store.find(letterAt(1).id);
    expect(found).toMatchObject({ status: 'parked', reason: 'no. 1 \uFFFD \uFFFD', attempts: 0, nextAttemptAt: null, offset: 1 });
    expect(found?.body?.toString()).toBe('{"n":1,"big":12345678901234567890}');
  });

  test('a row that cannot be told has one letter however often it is read, and another one when something else is wrong with it', async () => {
    const store = createDeadLetterStore(database.pool);
    const body = (n: number) => Buffer.from(`{"refused":{"position":"${n}"},"code":"x"}`).toString('base64');
    const refused = (n: number, code: ErrorCode, key = '', reason = 'as before') => ({
      ...letterAt(n, code),
      key,
      reason,
      body: body(n),
    });
    const first = [refused(1, 'identity.key-missing'), refused(2, 'record.too-large', 'a/', '9 bytes')];
    await store.record(first, policy);
    const again = [refused(3, 'identity.key-missing'), refused(4, 'record.too-large', 'a/', '10 bytes')];
    await store.record([...first, ...again], policy);
    expect(await store.count({})).toBe(2);
    expect(await store.find(first[1]!.id)).toMatchObject({ status: 'parked', reason: '10 bytes' });
    await store.record([refused(5, 'record.too-deep')], policy);
    // The first once more: a process that took over reads the topic again.
    const late = refused(0, 'record.too-deep', '', 'of long ago');
    await store.record([...first, ...again, refused(5, 'record.too-deep'), late], policy);
    const page = await store.list({}, { after: null, limit: 10 });
    const seen = page.rows.map(({ offset, status, reason }) => `${offset} ${status} ${reason}`).sort();
    expect(seen).toEqual(['1 superseded as before', '2 parked 10 bytes', '5 parked as before']);
    await store.discard(refused(5, 'record.too-deep').id, 'ada', 'mended', 0);
    await store.record([refused(6, 'record.too-deep')], policy);
    expect(await store.count({ status: ['parked'] })).toBe(2);
  });

  test('records of one key that fail for themselves keep a letter each', async () => {
    const store = createDeadLetterStore(database.pool);
    const { key, reason } = letterAt(1);
    await store.record([letterAt(1), { ...letterAt(2), key, reason }], policy);
    expect(await store.count({ status: ['parked'] })).toBe(2);
    const body = Buffer.from('{"refused":{}}').toString('base64');
    await store.record(
      [
        { ...letterAt(3), key: 'r', body },
        { ...letterAt(4), key: 'r' },
      ],
      policy,
    );
    expect(await store.count({ status: ['parked'] })).toBe(4);
  });

  test('one that may heal waits, and is tried again when its time has come', async () => {
    const store = createDeadLetterStore(database.pool);
    const producer = new FakeProducer();
    const letter = letterAt(2, 'schema.unknown');
    await store.record([letter], policy);
    expect(await store.find(letter.id)).toMatchObject({ status: 'waiting', nextAttemptAt: '2026-01-01T00:00:03.000000Z' });
    const early = { ...systemClock, nowMs: () => letter.failedAtMs + 999 };
    expect(await retryDueDeadLetters(store, producer, early)).toBe(0);
    expect(await retryDueDeadLetters(store, producer, { ...systemClock, nowMs: () => letter.failedAtMs + 1_000 })).toBe(1);
    expect(producer.sent).toMatchObject([
      { topic: 'source.shop.orders', partition: 1, key: 'o-2', headers: { 'syncline-replay-of': letter.id } },
    ]);
    expect(await store.find(letter.id)).toMatchObject({ status: 'replaying', attempts: 1 });
  });

  test('a replay that fails again is no new letter: it waits longer, and is parked in the end', async () => {
    const store = createDeadLetterStore(database.pool);
    const producer = new FakeProducer();
    const letter = letterAt(3, 'schema.unknown');
    await store.record([letter], policy);
    const waits: (string | null | undefined)[] = [];
    for (let attempt = 1; attempt <= 2; attempt++) {
      await replayDeadLetters(store, producer, systemClock, {}, 10);
      await store.record([letterAt(100 + attempt, 'schema.unknown', letter.id)], policy);
      waits.push((await store.find(letter.id))?.status);
    }
    expect(waits).toEqual(['waiting', 'parked']);
    expect(await store.count({})).toBe(1);
  });

  test('a replay that was never heard of is sent again, and no other is', async () => {
    const store = createDeadLetterStore(database.pool);
    const producer = new FakeProducer();
    await store.record([letterAt(4), letterAt(5)], policy);
    await replayDeadLetters(store, producer, systemClock, { ids: [letterAt(4).id] }, 1);
    const later = { ...systemClock, nowMs: () => Date.now() + 3_600_000 };
    expect(await retryDueDeadLetters(store, producer, later)).toBe(1);
    expect(producer.sent.map((record) => record.key)).toEqual(['o-4', 'o-4']);
  });

  test('a filter replays what it finds, the oldest first, and no more than asked', async () => {
    const store = createDeadLetterStore(database.pool);
    const producer = new FakeProducer();
    await store.record(
      Array.from({ length: 120 }, (_none, at) => letterAt(at)),
      policy,
    );
    expect(await replayDeadLetters(store, producer, systemClock, { status: ['parked'], source: 'shop' }, 110)).toBe(110);
    expect(await store.count({ status: ['parked'] })).toBe(10);
    expect(new Set(producer.sent.map((record) => record.key)).size).toBe(110);
    expect(await replayDeadLetters(store, producer, systemClock, { source: 'other' }, 110)).toBe(0);
  });

  test('letters that fail again and again do not keep others from their turn', async () => {
    const store = createDeadLetterStore(database.pool);
    const producer = new FakeProducer();
    await store.record([letterAt(1), letterAt(2), letterAt(3)], policy);
    expect(await replayDeadLetters(store, producer, systemClock, { status: ['parked'] }, 2)).toBe(2);
    const again = (at: number) => ({ ...letterAt(at + 50), replayOf: letterAt(at).id });
    await store.record([again(1), again(2)], policy);
    producer.sent.length = 0;
    expect(await replayDeadLetters(store, producer, systemClock, { status: ['parked'] }, 1)).toBe(1);
    expect(producer.sent.map((record) => record.key)).toEqual(['o-3']);
  });

  test('a letter that another sweeper holds is left to it', async () => {
    const store = createDeadLetterStore(database.pool);
    await store.record([letterAt(1, 'schema.unknown'), letterAt(2, 'schema.unknown')], policy);
    const other = await database.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT 1 FROM dead_letters WHERE id = $1 FOR UPDATE', [letterAt(1).id]);
      const producer = new FakeProducer();
      expect(await retryDueDeadLetters(store, producer, systemClock)).toBe(1);
      expect(producer.sent.map((record) => record.key)).toEqual(['o-2']);
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });

  test('a discarded letter keeps who and why, and is never replayed', async () => {
    const store = createDeadLetterStore(database.pool);
    await store.record([letterAt(6)], policy);
    const { id } = letterAt(6);
    expect(await store.discard(id, 'ada', 'a test\0', 0)).toBe(true);
    expect(await store.discard(id, 'ada', 'again', 0)).toBe(false);
    expect(await store.find(id)).toMatchObject({
      status: 'discarded',
      details: { field: 'a\uFFFDb', discarded: { by: 'ada', reason: 'a test\uFFFD', at: '1970-01-01T00:00:00.000Z' } },
    });
    expect(await replayDeadLetters(store, new FakeProducer(), systemClock, { ids: [id] }, 1)).toBe(0);
  });
});
