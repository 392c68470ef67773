import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEntityStore } from '../adapters/postgres/entity-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import { conflictRulesSchema } from '../core/config/conflict-policy.ts';
import { policyOf } from '../tests/conflict-world.ts';
import { HistoryWorld } from '../tests/history-world.ts';
import { Random } from '../tests/simulation/random.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { WhatIfDesk, type WhatIfQuestion } from './what-if-desk.ts';

const rules = { ranking: ['erp', 'shop'] };
const policy = policyOf(rules);
const sources = ['erp', 'shop', 'woo'].map((name) => ({ name, type: name.toUpperCase() }));

let database: TestDatabase;
let desk: WhatIfDesk;
let firstId: string;
/** Only the second half of the entities is at odds after this. */
let halfway: string;
const entities = 30;

beforeAll(async () => {
  database = await openTestDatabase();
  const world = new HistoryWorld(database.pool, policy);
  desk = deskWith();
  for (let n = 0; n < entities; n++) {
    const key = `p-${String(n).padStart(2, '0')}`;
    for (const source of ['ERP', 'SHOP']) await world.change(source, key, { price: 1, title: 'Cup' });
    const change = await world.change('ERP', key, { price: 2, title: 'Cup' });
    if (n === 0) firstId = change.entityId;
    if (n === entities / 2) halfway = change.occurredAt;
    // Every third is at odds.
    await world.change('SHOP', key, { price: n % 3 === 0 ? 3 : 2, title: 'Mug' });
  }
});
afterAll(() => database.close());

function deskWith(timeMaxMs?: number, clock: { nowMs(): number } = systemClock): WhatIfDesk {
  return new WhatIfDesk(
    { store: createEntityStore(database.pool), clock, kinds: new Map([['product', { policy, sources }]]) },
    timeMaxMs,
  );
}

function ask(changed: unknown, more: Partial<WhatIfQuestion> = {}, by = desk) {
  return by.answer({
    kind: 'product',
    rules: conflictRulesSchema.parse(changed),
    span: { since: null, until: null },
    entityIds: null,
    limit: 1_000,
    examples: 2,
    after: null,
    ...more,
  });
}

test('the policy in force leads to what is, so nothing would differ', async () => {
  expect(await ask(rules)).toMatchObject({ entities, events: entities * 4, differ: 0, uncertain: 0, byRule: {}, endedBy: null });
});

test('another policy shows which entities, fields and values would differ, by which rule', async () => {
  const answer = await ask({ ranking: ['shop', 'erp'] });
  expect(answer).toMatchObject({ differ: 10, byRule: { priority: 10 }, byField: { price: 10 } });
  expect(answer.examples).toHaveLength(2);
  expect(answer.examples[0]).toMatchObject({
    entityId: firstId,
    fields: { price: { was: 2, wouldBe: 3, source: 'SHOP', rule: 'priority' } },
  });
});

test('what would wait for a person is counted', async () => {
  expect(await ask({ default: 'manual' })).toMatchObject({ differ: 0, openConflicts: { was: 0, wouldBe: 10 } });
});

test('a policy that holds from some time on leaves what was before as it was', async () => {
  const shop = { ranking: ['shop', 'erp'] };
  expect(await ask(shop, { span: { since: halfway, until: null } })).toMatchObject({ entities: 15, differ: 5 });
  expect(await ask(shop, { span: { since: null, until: halfway } })).toMatchObject({ entities: 16, differ: 5 });
});

test('named entities are looked at alone', async () => {
  const answer = await ask({ ranking: ['shop', 'erp'] }, { entityIds: [firstId, 'product:none'] });
  expect(answer).toMatchObject({ entities: 1, differ: 1 });
});

test('an answer that ended early says so and is taken up again where it ended', async () => {
  const shop = { ranking: ['shop', 'erp'] };
  let differ = 0;
  let after: string | null = null;
  let parts = 0;
  do {
    const part: Awaited<ReturnType<typeof ask>> = await ask(shop, { limit: 7, after });
    expect(part.endedBy).toBe(part.next === null ? null : 'limit');
    differ += part.differ;
    after = part.next;
    parts++;
  } while (after !== null);
  expect([differ, parts]).toEqual([10, 5]);
  let now = 0;
  const late = deskWith(10, { nowMs: () => now++ });
  const part = await ask(shop, {}, late);
  expect(part.endedBy).toBe('time');
  expect(part.entities).toBeGreaterThan(0);
  expect(part.entities).toBeLessThan(entities);
  const rest = await ask(shop, { after: part.next });
  expect(part.differ + rest.differ).toBe(10);
});

test('an entity that the history alone does not explain is uncertain, not different', async () => {
  await database.pool.query(
    `UPDATE source_events SET golden_data = '{"price": 99}' WHERE golden_version IS NOT NULL AND event_id IN (
       SELECT event_id FROM source_events WHERE entity_id = $1 ORDER BY golden_version DESC NULLS LAST LIMIT 1)`,
    [firstId],
  );
  expect(await ask({ ranking: ['shop', 'erp'] })).toMatchObject({
    differ: 9,
    uncertain: 1,
    uncertainExamples: [{ entityId: firstId, fields: expect.arrayContaining(['price']) }],
  });
});

test('the rule at fault is named', async () => {
  await expect(ask({ fields: { price: 'priority' } })).rejects.toMatchObject({
    code: 'request.invalid',
    details: { errors: [{ field: 'policy.fields.price' }] },
  });
  await expect(ask({ ranking: ['shopp'] })).rejects.toMatchObject({
    message: expect.stringContaining('did you mean `shop`'),
    details: { errors: [{ field: 'policy.ranking' }] },
  });
  await expect(ask(rules, { kind: 'orders' })).rejects.toMatchObject({ details: { errors: [{ field: 'kind' }] } });
});

test('nothing is changed', async () => {
  const count = async () =>
    (await database.pool.query('SELECT md5(string_agg(s::text, $1 ORDER BY s::text)) FROM sync_state s', ['|'])).rows;
  const before = await count();
  await ask({ ranking: ['shop', 'erp'] });
  expect(await count()).toEqual(before);
});

test('what was settled before the span began is where the other policy goes on from', async () => {
  const world = new HistoryWorld(database.pool, policy);
  for (const source of ['ERP', 'SHOP']) await world.change(source, 'held', { price: 1, title: 'Cup' });
  await world.change('SHOP', 'held', { price: 3, title: 'Cup' });
  await world.change('ERP', 'held', { price: 2, title: 'Cup' });
  const { occurredAt } = await world.change('SHOP', 'held', { price: 3, title: 'Mug' });
  const manual = (since: string | null) =>
    ask({ default: 'manual' }, { entityIds: ['product:held'], span: { since, until: null } });
  expect((await manual(null)).examples).toMatchObject([{ fields: { price: { was: 2, wouldBe: 3, rule: 'manual' } } }]);
  expect(await manual(occurredAt)).toMatchObject({ entities: 1, differ: 0, openConflicts: { was: 0, wouldBe: 1 } });
});

test.each([
  ['ranked', rules],
  ['asked', { default: 'manual' }],
])('changes that were stored in another order than they came in are replayed as they were stored: %s', async (name, inForce) => {
  const held = policyOf(inForce);
  const world = new HistoryWorld(database.pool, held);
  const random = new Random(20_260_301);
  const ids = Array.from({ length: 60 }, (_, n) => `product:${name}-${n}`);
  for (const id of ids) {
    for (let changes = random.between(4, 12); changes > 0; changes--) {
      const data = random.chance(0.1) ? null : { price: random.below(4), stock: random.below(4) };
      await world.change(random.chance(0.5) ? 'ERP' : 'SHOP', id.slice('product:'.length), data);
    }
  }
  // A change comes in at each minute: nothing stays in its place.
  await database.pool.query(
    `UPDATE source_events SET received_at = received_at + (hashtext(event_id::text) % 86400) * interval '1 second' WHERE entity_id = ANY($1)`,
    [ids],
  );
  const kinds = new Map([['product', { policy: held, sources }]]);
  const by = new WhatIfDesk({ store: createEntityStore(database.pool), clock: systemClock, kinds });
  expect(await ask(inForce, { entityIds: ids }, by)).toMatchObject({
    entities: 60,
    differ: 0,
    uncertain: 0,
    uncertainExamples: [],
  });
});
