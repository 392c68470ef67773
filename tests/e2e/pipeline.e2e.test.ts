import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, startChaosStack } from '../chaos/harness.ts';
import { readAll } from '../chaos/topics.ts';
import { eventually as within } from './eventually.ts';
import { rawChange, rawMessage, writeRaw } from './raw-topic.ts';

const config = fileURLToPath(new URL('../fixtures/config/e2e.yml', import.meta.url));

let stack: ChaosStack;
let installation: Installation;
beforeAll(async () => {
  stack = await startChaosStack();
  installation = await stack.install({ config, roles: ['processor', 'sync-manager', 'api'] });
  await eventually(async () => (await fetch(`${installation.api}/ready`)).status === 200);
}, 180_000);
afterAll(() => stack.stop());

function eventually<T>(attempt: () => Promise<T | undefined | false>): Promise<T> {
  return within(attempt, () => installation.roles.lastLines());
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
type Answer = { status: number; body: any; headers: Headers };

async function call(method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(installation.api + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

function post(path: string, record: unknown): Promise<Answer> {
  return call('POST', path, JSON.stringify(record));
}

function asAdmin(method: string, path: string, body?: unknown): Promise<Answer> {
  return call(method, path, body === undefined ? undefined : JSON.stringify(body), {
    authorization: `Bearer ${installation.adminKey}`,
  });
}

function goldenOf(entityId: string): Promise<{ version: string; status: string; data: unknown; event_id: string }> {
  return eventually(async () => {
    const rows = await installation.query<{ version: string; status: string; data: unknown; event_id: string }>(
      `SELECT version, status, data, event_id FROM sync_state WHERE entity_id = $1 AND source_type = 'GOLDEN'`,
      [entityId],
    );
    return rows[0];
  });
}

interface Letter {
  readonly id: string;
  readonly code: string;
  readonly reason: string;
  readonly body: Buffer | null;
  readonly status: string;
  readonly stage: string;
}

function letterOf(key: string, status?: string): Promise<Letter> {
  return eventually(async () => {
    const rows = await installation.query<Letter>('SELECT * FROM dead_letters WHERE key = $1 ORDER BY failed_at DESC', [key]);
    return rows.find((row) => status === undefined || row.status === status);
  });
}

async function write(kind: string, ...changes: Parameters<typeof rawMessage>[0][]): Promise<void> {
  await writeRaw(installation.kafka, installation.prefix, kind, changes.map(rawMessage));
}

describe('one change', () => {
  it('goes from HTTP to the tables, the resolved topic, the API and the metrics under one correlation id', async () => {
    const correlationId = 'order-4711/é'.replace('é', 'e');
    const answer = await call('POST', '/users', JSON.stringify({ name: 'Ada', email: 'ada@example.com' }), {
      'x-correlation-id': correlationId,
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-correlation-id')).toBe(correlationId);
    const { id } = answer.body;

    const golden = await goldenOf('users:ada@example.com');
    expect(golden).toMatchObject({
      version: '1',
      status: 'synced',
      data: { name: 'Ada', email: 'ada@example.com' },
      event_id: id,
    });
    const events = await installation.query('SELECT * FROM source_events WHERE event_id = $1', [id]);
    expect(events).toMatchObject([
      { source_type: 'SHOP', source_id: 'ada@example.com', status: 'applied', correlation_id: correlationId },
    ]);

    const [raw] = await recordsOf('source.shop.users', 'ada@example.com');
    expect(raw).toMatchObject({ eventId: id, correlationId });
    const [canonical] = await recordsOf('entity.users', 'users:ada@example.com');
    expect(canonical).toMatchObject({ eventId: id, correlationId });
    const [resolved] = await eventually(async () => {
      const found = await recordsOf('resolved.users', 'users:ada@example.com');
      return found.length > 0 && found;
    });
    expect(resolved).toMatchObject({ version: { n: 1 }, deleted: false, data: { name: 'Ada' }, eventId: id });

    const state = await asAdmin('GET', `/api/sync-state/${encodeURIComponent('users:ada@example.com')}`);
    expect(state.body.states.map((row: { sourceType: string }) => row.sourceType).sort()).toEqual(['GOLDEN', 'SHOP']);
    const event = await asAdmin('GET', `/api/source-events/${id}`);
    expect(event.body).toMatchObject({ eventId: id, correlationId, status: 'applied' });

    const metrics = await eventually(async () => {
      const { body } = await call('GET', '/metrics');
      return /syncline_events_out_total\{[^}]*stage="sync-manager"[^}]*\} [1-9]/.test(body) && (body as string);
    });
    expect(metrics).toMatch(/syncline_events_in_total\{[^}]*stage="processor"[^}]*\} [1-9]/);
    expect(metrics).toMatch(/syncline_latency_seconds_count\{[^}]*source="shop"[^}]*\} [1-9]/);
    const figures = await eventually(async () => {
      const found = await installation.query(`SELECT 1 FROM sync_metrics WHERE metric_name LIKE 'syncline_%' LIMIT 1`);
      return found.length > 0 && found;
    });
    expect(figures).toHaveLength(1);
  });

  it('that is a deletion is a value on the resolved topic and a status in the tables', async () => {
    await post('/users', { name: 'Bob', email: 'bob@example.com' });
    await goldenOf('users:bob@example.com');
    expect((await call('DELETE', '/users/bob@example.com')).status).toBe(200);
    await eventually(async () => (await goldenOf('users:bob@example.com')).status === 'deleted');
    const records = await eventually(async () => {
      const found = await recordsOf('resolved.users', 'users:bob@example.com');
      return found.length === 2 && found;
    });
    expect(records[1]).toMatchObject({ deleted: true, data: null, version: { n: 2 } });
  });

  it('that repeats what is known moves nothing and is counted as unchanged', async () => {
    for (let time = 0; time < 4; time++) await post('/users', { name: 'Eve', email: 'eve@example.com' });
    await installation.rest();
    expect((await goldenOf('users:eve@example.com')).version).toBe('1');
    const { body } = await asAdmin('GET', '/api/accounting');
    expect(body).toMatchObject({ atRest: true, balanced: true, inFlight: 0 });
    expect(body.outcomes.unchanged).toBeGreaterThanOrEqual(3);
  });
});

async function recordsOf(topic: string, key: string): Promise<Record<string, unknown>[]> {
  const records = await readAll(installation.kafka, installation.prefix + topic);
  return records.filter((record) => record.key === key).map((record) => JSON.parse(String(record.value)));
}

function nested(levels: number): unknown {
  return levels === 0 ? 1 : { in: nested(levels - 1) };
}

describe('bad input over HTTP', () => {
  const megabytes = (n: number) => JSON.stringify({ id: 'big', text: 'x'.repeat(n * 1_000_000) });
  const refused: readonly [name: string, path: string, body: string | Buffer, status: number, says: RegExp][] = [
    ['malformed JSON', '/users', '{"name": "Ada", ', 400, /JSON/],
    ['nothing', '/users', '', 400, /./],
    ['bytes that are not UTF-8', '/users', Buffer.from([0x7b, 0xff, 0x7d]), 400, /UTF-8|JSON/],
    ['a wrong type', '/users', '{"name": 5, "email": "a@example.com"}', 400, /name/],
    ['a missing field', '/users', '{"email": "a@example.com"}', 400, /name/],
    ['an address that is none', '/users', '{"name": "Ada", "email": "nobody"}', 400, /email/],
    ['a list where a record is wanted', '/users', '[[1]]', 400, /object/],
    ['an unknown field where none is allowed', '/events/products', '{"sku": "S", "title": "T", "tile": 1}', 400, /tile/],
    ['a body over 10 MB', '/events/notes', megabytes(11), 413, /./],
    ['a body of 10 MB in one record', '/events/notes', megabytes(9.9), 400, /bytes/],
    ['U+0000', '/events/notes', '{"id": "n", "text": "a\\u0000b"}', 400, /U\+0000/],
    ['half of a surrogate pair', '/events/notes', '{"id": "n", "text": "\\ud800"}', 400, /surrogate/],
    ['half of a surrogate pair in the name of a field', '/events/notes', '{"id": "n", "\\udfff": 1}', 400, /surrogate/],
    ['deep nesting', '/events/notes', JSON.stringify({ id: 'n', deep: nested(40) }), 400, /nested|deep/],
    [
      'nesting that would break a parser',
      '/events/notes',
      `{"id":"n","deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      400,
      /nested|deep/,
    ],
    ['a key that is too long', '/events/notes', JSON.stringify({ id: 'k'.repeat(200) }), 400, /long/],
    ['no key', '/events/notes', '{"text": "no id"}', 400, /id/],
    ['a number without end', '/events/notes', `{"id": "n", "n": 1${'0'.repeat(2_000)}}`, 400, /number|digits/],
    ['a type that is not configured', '/events/unheard', '{}', 404, /unheard/],
    ['a day that is none', '/events/products', '{"sku": "S", "title": "T", "madeOn": "2026-02-30"}', 400, /madeOn/],
  ];
  for (const [name, path, body, status, says] of refused) {
    it(`${name} is refused with ${status} and the reason, and the next record goes on`, async () => {
      const answer = await call('POST', path, body);
      expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringMatching(says)]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      const email = `after-${refused.findIndex((row) => row[0] === name)}@example.com`;
      expect((await post('/users', { name: 'Next', email })).status).toBe(200);
      await goldenOf(`users:${email}`);
    });
  }

  const kept: readonly [name: string, record: string, text: string][] = [
    ['an integer beyond 2^53', '{"id":"n1","n":9007199254740993}', '9007199254740993'],
    ['a decimal no double carries', '{"id":"n2","n":0.1234567890123456789}', '0.1234567890123456789'],
    ['a date at the end of time', '{"id":"n3","on":"9999-12-31T23:59:59.999Z"}', '"9999-12-31T23:59:59.999Z"'],
    ['fields nobody declared', '{"id":"n4","whatever":{"x":[1,null,true]}}', 'whatever'],
    ['text of every plane', '{"id":"n5","text":"𝄞 ﷺ \\u200d \\u001f"}', '𝄞'],
    ['an empty object', '{"id":"n6"}', '"n6"'],
  ];
  for (const [name, record, text] of kept) {
    it(`${name} arrives in the tables as it was sent`, async () => {
      expect((await call('POST', '/events/notes', record)).status).toBe(200);
      const { id } = JSON.parse(record) as { id: string };
      await goldenOf(`notes:${id}`);
      const rows = await installation.query<{ data: string }>('SELECT data::text FROM sync_state WHERE entity_id = $1', [
        `notes:${id}`,
      ]);
      expect(rows).toHaveLength(2);
      for (const row of rows) expect(row.data).toContain(text);
    });
  }
});

describe('poison on the raw topic', () => {
  const good = { id: 'x' };
  const poison: readonly [name: string, value: string | Buffer | null, code: string][] = [
    ['bytes that are no JSON', '{"eventId"', 'record.malformed'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xc3, 0x22]), 'record.malformed'],
    ['nothing at all', null, 'record.malformed'],
    ['JSON that is no change event', '{"hello":"world"}', 'record.malformed'],
    ['an operation that there is not', json({ operation: 'explode' }), 'record.malformed'],
    ['a position that is none', json({ position: '12' }), 'record.malformed'],
    ['a day that is none', json({ occurredAt: '2026-02-30T00:00:00Z' }), 'record.malformed'],
    ['an event of another topic', json({ kind: 'users' }), 'record.malformed'],
    ['U+0000', json({ data: { id: 'x', text: 'a\0' } }), 'record.unstorable-text'],
    ['half of a surrogate pair', json({ data: { id: 'x', text: '\udead' } }), 'record.unstorable-text'],
    ['deep nesting', json({ data: { id: 'x', deep: nested(50) } }), 'record.too-deep'],
    ['nesting that would break a parser', `{"data":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'record.too-deep'],
    ['more than a record may hold', json({ data: { id: 'x', text: 'x'.repeat(1_100_000) } }), 'record.too-large'],
    ['a number without end', json({}).replace('"id":"x"', `"id":1${'0'.repeat(1_500)}`), 'record.number-out-of-range'],
    ['a field that poisons objects', json({}).replace('"id":"x"', '"__proto__":{"a":1}'), 'record.malformed'],
  ];
  function json(more: Record<string, unknown>): string {
    return JSON.stringify({ ...rawChange('notes', 'poisoned', 5, good), ...more });
  }
  poison.forEach(([name, template, code], index) => {
    it(`${name} is a dead letter (${code}) with its bytes, and the next record of its partition goes on`, async () => {
      const key = `poison-${index}`;
      const value = typeof template === 'string' ? template.replaceAll('poisoned', key) : template;
      await writeRaw(installation.kafka, installation.prefix, 'notes', [
        { key, value },
        rawMessage(rawChange('notes', key, 9, { id: key, after: name })),
      ]);
      expect(await goldenOf(`notes:${key}`)).toMatchObject({ version: '1', data: { after: name } });
      const letter = await letterOf(key);
      expect(letter).toMatchObject({ code, status: 'parked', stage: 'processor' });
      expect(letter.reason).not.toBe('');
      expect(letter.body).toEqual(value === null ? null : Buffer.from(value as string));
      const shown = await asAdmin('GET', `/api/dead-letters/${letter.id}`);
      expect(shown).toMatchObject({ status: 200, body: { id: letter.id, code, reason: letter.reason } });
    });
  });

  it('a key that is too long for the tables is a dead letter that says so', async () => {
    const key = 'k'.repeat(150);
    await write('notes', rawChange('notes', key, 1, { id: key }), rawChange('notes', 'after-long', 1, { id: 'after-long' }));
    expect(await letterOf(key)).toMatchObject({ code: 'record.entity-id-too-long' });
    await goldenOf('notes:after-long');
  });

  it('a record the mapping fails on names field and rule', async () => {
    await write('products', rawChange('products', 'unmapped', 1, { title: 'T', price: 'twelve' }));
    const letter = await letterOf('unmapped');
    expect(letter.code).toBe('mapping.failed');
    expect(letter.reason).toMatch(/price/);
    expect(letter.reason).toMatch(/twelve/);
  });
});

describe('records PostgreSQL itself refuses', () => {
  it('are found in their batch and become dead letters with their bytes; every other record of it is applied', async () => {
    const longName = 'p'.repeat(120);
    const refusedChanges = [
      rawChange('places', longName, 1, { id: longName, code: 'L-1' }),
      rawChange('places', 'long-correlation', 1, { id: 'lc', code: 'L-2' }, { correlationId: 'c'.repeat(200) }),
    ];
    const others = Array.from({ length: 60 }, (_, at) => rawChange('places', `place-${at}`, 1, { id: `${at}`, code: `P-${at}` }));
    const batch = [...others.slice(0, 17), refusedChanges[0]!, ...others.slice(17, 40), refusedChanges[1]!, ...others.slice(40)];
    await writeRaw(installation.kafka, installation.prefix, 'places', batch.map(rawMessage), 0);
    for (const refused of refusedChanges) {
      const letter = await letterOf(refused.key);
      expect(letter).toMatchObject({ code: 'store.rejected', stage: 'sync-manager', status: 'parked' });
      expect(letter.reason).toMatch(/too long/);
      expect(letter.body).toEqual(Buffer.from(JSON.stringify(refused)));
    }
    await installation.rest();
    const rows = await installation.query(`SELECT 1 FROM sync_state WHERE kind = 'places' AND source_type = 'GOLDEN'`);
    expect(rows).toHaveLength(others.length);
  });

  it('leave no trace in the filter: an equal change that follows at once is applied', async () => {
    const [kind, key] = ['notes', 'twice'];
    // The second of them is stopped by the filter, which then knows this key for certain.
    for (const order of [1, 2, 3]) {
      await write(kind, rawChange(kind, key, order, { id: key, state: 'a' }));
      await installation.rest();
    }
    await write(
      kind,
      rawChange(kind, key, 4, { id: key, state: 'c' }, { correlationId: 'c'.repeat(200) }),
      rawChange(kind, key, 5, { id: key, state: 'c' }),
    );
    await installation.rest();
    expect((await goldenOf(`notes:${key}`)).data).toMatchObject({ state: 'c' });
  });

  it('may be of the sort the processor finds: each repetition of one is a dead letter of its own', async () => {
    const [kind, key] = ['notes', 'unstorable'];
    for (const order of [1, 2]) {
      await write(kind, rawChange(kind, key, order, { id: key, state: 'a' }));
      await installation.rest();
    }
    await write(kind, ...[3, 4].map((order) => rawChange(kind, key, order, { id: key, state: 'a\0' })));
    await installation.rest();
    const letters = await installation.query('SELECT code FROM dead_letters WHERE key = $1', [key]);
    expect(letters).toEqual([{ code: 'record.unstorable-text' }, { code: 'record.unstorable-text' }]);
  });
});

describe('dead letters', () => {
  const refuseBlocked = `
    CREATE FUNCTION refuse_blocked() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF new.data->>'blocked' = 'yes' THEN RAISE EXCEPTION 'blocked for now' USING ERRCODE = '23514'; END IF;
      RETURN new;
    END $$;
    CREATE TRIGGER refuse_blocked BEFORE INSERT OR UPDATE ON sync_state FOR EACH ROW EXECUTE FUNCTION refuse_blocked()`;

  it('replayed after the fault is gone are applied, unless something newer was: then they end as superseded', async () => {
    await installation.query(refuseBlocked);
    for (const key of ['healed', 'overtaken']) await write('notes', rawChange('notes', key, 10, { id: key, blocked: 'yes' }));
    const healed = await letterOf('healed', 'parked');
    const overtaken = await letterOf('overtaken', 'parked');
    expect(healed.reason).toMatch(/blocked for now/);
    await write('notes', rawChange('notes', 'overtaken', 11, { id: 'overtaken', blocked: 'no' }));
    await goldenOf('notes:overtaken');

    expect((await asAdmin('POST', `/api/dead-letters/${healed.id}/replay`)).status).toBe(202);
    await letterOf('healed', 'parked');
    await installation.query('DROP TRIGGER refuse_blocked ON sync_state');
    for (const letter of [healed, overtaken]) await asAdmin('POST', `/api/dead-letters/${letter.id}/replay`);
    await letterOf('healed', 'applied');
    await letterOf('overtaken', 'superseded');
    expect(await goldenOf('notes:healed')).toMatchObject({ version: '1', data: { blocked: 'yes' } });
    expect(await goldenOf('notes:overtaken')).toMatchObject({ version: '1', data: { blocked: 'no' } });
    expect((await asAdmin('POST', `/api/dead-letters/${healed.id}/replay`)).status).toBe(409);
    await installation.rest();
    expect((await asAdmin('GET', '/api/accounting')).body).toMatchObject({ atRest: true, balanced: true });
  });

  it('discarded stay with who and why, and are not replayed', async () => {
    await writeRaw(installation.kafka, installation.prefix, 'notes', [{ key: 'given-up', value: 'no JSON' }]);
    const { id } = await letterOf('given-up', 'parked');
    const answer = await asAdmin('POST', `/api/dead-letters/${id}/discard`, { reason: 'sent by mistake' });
    expect(answer).toMatchObject({ status: 200, body: { status: 'discarded' } });
    expect(JSON.stringify(answer.body.details)).toContain('sent by mistake');
    expect((await asAdmin('POST', `/api/dead-letters/${id}/replay`)).status).toBe(409);
    expect((await asAdmin('POST', `/api/dead-letters/${id}/discard`, { reason: 'again' })).status).toBe(409);
  });

  it('are shown, replayed and discarded to nobody without a key', async () => {
    expect((await call('GET', '/api/dead-letters')).status).toBe(401);
    expect((await call('POST', '/api/dead-letters/replay', '{}')).status).toBe(401);
  });
});
