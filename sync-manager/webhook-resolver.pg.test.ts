import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createReadStore } from '../adapters/postgres/read-store.ts';
import { createWebhookStore } from '../adapters/postgres/webhook-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import type { Logger } from '../core/ports/logger.ts';
import { policyOf } from '../tests/conflict-world.ts';
import { HistoryWorld } from '../tests/history-world.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { answerBytesMax } from './webhook-question.ts';
import { type WebhookLimits, WebhookResolver, webhookLimits } from './webhook-resolver.ts';

interface Question {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: {
    conflictId: string;
    entityId: string;
    kind: string;
    fields: Record<string, { sides: unknown[]; base?: unknown }>;
  };
}

type Behaviour = (question: Question, response: ServerResponse, nth: number) => void;

const secret = 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=';
const limits: WebhookLimits = { ...webhookLimits, pollMs: 20, firstRetryMs: 20, retryMsMax: 50, leaseMarginMs: 60_000 };

let database: TestDatabase;
let server: Server;
let url: string;
let behave: Behaviour;
const asked: Question[] = [];
const warnings: string[] = [];
const stopping: (() => Promise<void>)[] = [];
const silent: Logger = {
  error: () => undefined,
  warn: (message) => void warnings.push(message),
  info: () => undefined,
  debug: () => undefined,
  with: () => silent,
};

beforeEach(async () => {
  database = await openTestDatabase(6);
  asked.length = 0;
  warnings.length = 0;
  server = createServer(async (request, response) => {
    const text = Buffer.concat(await Array.fromAsync(request)).toString();
    const question = { headers: request.headers, text, body: JSON.parse(text) };
    asked.push(question);
    behave(question, response, asked.length);
  });
  await listen(0);
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/resolve`;
});
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  server.closeAllConnections();
  server.close();
  await database.close();
});

function listen(port: number): Promise<void> {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
}

function webhookPolicy(more: object = {}): ConflictPolicy {
  const webhook = { strategy: 'webhook', url, secret, timeoutMs: '200ms', retries: 2, fallback: 'manual', ...more };
  return policyOf({ ranking: ['shop', 'erp'], fields: { price: webhook, title: webhook } });
}

function answer(response: ServerResponse, value: unknown, status = 200): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(typeof value === 'string' ? value : JSON.stringify(value));
}

/** The n-th resolver of the test, as in another process. */
function startResolver(world: HistoryWorld, policy: ConflictPolicy, more: Partial<WebhookLimits> = {}): () => Promise<void> {
  const resolver = new WebhookResolver({
    store: createWebhookStore(database.pool),
    answers: world.answers,
    policies: new Map([['product', policy]]),
    clock: systemClock,
    logger: silent,
    jitter: () => 1,
    limits: { ...limits, ...more },
  });
  const signal = new AbortController();
  const running = resolver.run(signal.signal);
  const stop = async () => {
    signal.abort(new Error('stopped'));
    await running;
  };
  stopping.push(stop);
  return stop;
}

async function openConflict(world: HistoryWorld, key: string): Promise<void> {
  await world.change('ERP', key, { title: 'Cup', price: 5 });
  await world.change('SHOP', key, { title: 'Cup', price: 5 });
  await world.change('ERP', key, { title: 'Cup', price: 6 });
  await world.change('SHOP', key, { title: 'Cup', price: 7 });
}

async function stateOf(key: string) {
  const store = createReadStore(database.pool);
  const { rows } = await store.conflicts({ entityId: `product:${key}` }, { after: null, limit: 10 });
  const states = await store.syncStatesOf(`product:${key}`);
  return { conflict: rows[0]!, price: states.find(({ sourceType }) => sourceType === 'GOLDEN')?.data?.price };
}

async function answered(world: HistoryWorld, count = 1): Promise<void> {
  await vi.waitFor(() => expect(world.sent.length).toBeGreaterThanOrEqual(count), { timeout: 60_000 });
  await world.takeAnswers();
}

async function leftToPeople(key: string, reason: string | RegExp): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await database.pool.query(
        `SELECT webhook_error FROM conflict_log WHERE entity_id = $1 AND webhook_due_at = 'infinity'`,
        [`product:${key}`],
      );
      expect(rows).toEqual([{ webhook_error: expect.stringMatching(reason) }]);
    },
    { timeout: 60_000 },
  );
  expect(await stateOf(key)).toMatchObject({ conflict: { status: 'open' }, price: 6 });
}

describe('a webhook', () => {
  test('is asked with both sides and the base, signed, and its answer becomes the golden record', async () => {
    const policy = webhookPolicy();
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response) => answer(response, '{"fields": {"price": 12345678901234567.89}}');
    await openConflict(world, 'a');
    startResolver(world, policy);
    await answered(world);
    const { conflict } = await stateOf('a');
    expect(conflict).toMatchObject({ status: 'resolved', resolution: 'operator' });
    expect(asked).toHaveLength(1);
    const [{ headers, text, body }] = asked as [Question];
    expect(body).toMatchObject({
      conflictId: conflict.conflictId,
      entityId: 'product:a',
      kind: 'product',
      fields: {
        price: {
          base: 5,
          holder: 'ERP',
          value: 6,
          sides: [
            { source: 'ERP', value: 6 },
            { source: 'SHOP', value: 7 },
          ],
        },
      },
    });
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`;
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
    const golden = await database.pool.query(
      `SELECT data::text FROM sync_state WHERE entity_id = 'product:a' AND source_type = 'GOLDEN'`,
    );
    expect(golden.rows[0].data).toContain('12345678901234567.89');
    const event = await database.pool.query(`SELECT data FROM source_events WHERE source_type = 'OPERATOR'`);
    expect(event.rows[0].data.by).toBe(`webhook ${new URL(url).host}`);
  });

  test('may leave everything as it is', async () => {
    const policy = webhookPolicy();
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response) => answer(response, { skip: true });
    await openConflict(world, 'skip');
    startResolver(world, policy);
    await answered(world);
    expect(await stateOf('skip')).toMatchObject({ conflict: { status: 'skipped' }, price: 6 });
  });

  test('that recovers within its retries has answered', async () => {
    const policy = webhookPolicy();
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response, nth) => (nth < 3 ? answer(response, {}, 500) : answer(response, { fields: { price: 8 } }));
    await openConflict(world, 'retry');
    startResolver(world, policy);
    await answered(world);
    expect(await stateOf('retry')).toMatchObject({ conflict: { status: 'resolved' }, price: 8 });
    expect(new Set(asked.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(asked).toHaveLength(3);
  });

  test('that is down for a while is asked again when it is back', async () => {
    const policy = webhookPolicy({ retries: 100 });
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response) => answer(response, { fields: { price: 8 } });
    const { port } = server.address() as AddressInfo;
    await new Promise((closed) => server.close(closed));
    await openConflict(world, 'down');
    startResolver(world, policy, { circuit: { failuresMax: 2, pauseMs: 50, pauseMsMax: 50 } });
    await vi.waitFor(async () => expect((await stateOf('down')).conflict.webhookAttempts).toBeGreaterThan(3), {
      timeout: 60_000,
    });
    expect((await stateOf('down')).conflict.webhookError).toMatch(/ECONNREFUSED|left alone/);
    await listen(port);
    await answered(world);
    expect(await stateOf('down')).toMatchObject({ conflict: { status: 'resolved' }, price: 8 });
  });

  test.each<[string, Behaviour, string]>([
    ['hangs', () => undefined, 'no answer within 200 ms'],
    [
      'begins an answer and hangs',
      (_question, response) => void response.writeHead(200).write('{"fields":'),
      'no answer within 200 ms',
    ],
    ['answers 500', (_question, response) => answer(response, { fields: { price: 1 } }, 500), 'status 500'],
    ['sends elsewhere', (_question, response) => void response.writeHead(302, { location: '/other' }).end(), 'status 302'],
    ['answers bad JSON', (_question, response) => answer(response, '{"fields": {"price": 1}'), 'cannot be read'],
    ['answers a list', (_question, response) => answer(response, '[]'), 'no JSON object'],
    ['answers nothing', (_question, response) => void response.writeHead(204).end(), 'cannot be read'],
    ['names no field', (_question, response) => answer(response, { fields: {} }), 'names no field'],
    [
      'names a field that was not asked for',
      (_question, response) => answer(response, { fields: { price: 1, x: 2 } }),
      'not asked for: x',
    ],
    [
      'answers for another entity',
      (_question, response) => answer(response, { entityId: 'product:b', fields: { price: 1 } }),
      'another conflict',
    ],
    [
      'answers what cannot be stored',
      (_question, response) => answer(response, '{"fields": {"price": "\\u0000"}}'),
      'cannot be stored',
    ],
    [
      'answers without end',
      (_question, response) => answer(response, `{"fields": {"price": "${'x'.repeat(answerBytesMax)}"}}`),
      'larger than',
    ],
  ])('that %s is asked again, and then the conflict waits for a person', async (_what, behaviour, reason) => {
    const policy = webhookPolicy({ retries: 1 });
    const world = new HistoryWorld(database.pool, policy);
    behave = behaviour;
    await openConflict(world, 'bad');
    startResolver(world, policy);
    await leftToPeople('bad', reason);
    expect(asked).toHaveLength(2);
    expect(world.sent).toEqual([]);
    expect(warnings).toEqual(['a webhook gave no usable answer: the conflict waits for a person']);
  });

  test('that gives no usable answer is replaced by the fallback, which is named in the history', async () => {
    const policy = webhookPolicy({ retries: 0, fallback: 'priority' });
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response) => answer(response, 'no');
    await openConflict(world, 'fallback');
    startResolver(world, policy);
    await answered(world);
    expect(await stateOf('fallback')).toMatchObject({ conflict: { status: 'resolved' }, price: 7 });
    const event = await database.pool.query(`SELECT data FROM source_events WHERE source_type = 'OPERATOR'`);
    expect(event.rows[0].data.by).toBe('webhook fallback (priority)');
  });

  test('that fails again and again is left alone, and the fallback goes on without it', async () => {
    const policy = webhookPolicy({ retries: 1, fallback: 'newest_wins' });
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response) => answer(response, {}, 503);
    for (let n = 0; n < 10; n++) await openConflict(world, `many-${n}`);
    startResolver(world, policy, {
      questionsAtOnceMax: 1,
      circuit: { failuresMax: 3, pauseMs: 3_600_000, pauseMsMax: 3_600_000 },
    });
    await answered(world, 10);
    expect(asked).toHaveLength(3);
    for (let n = 0; n < 10; n++) expect((await stateOf(`many-${n}`)).price).toBe(7);
  });

  test('is asked once, however many sync managers there are', async () => {
    const policy = webhookPolicy({ timeoutMs: '10s' });
    const world = new HistoryWorld(database.pool, policy);
    const waiting: (() => void)[] = [];
    behave = (_question, response) => void waiting.push(() => answer(response, { fields: { price: 8 } }));
    for (let n = 0; n < 6; n++) await openConflict(world, `once-${n}`);
    for (let n = 0; n < 3; n++) startResolver(world, policy);
    await vi.waitFor(() => expect(waiting).toHaveLength(6), { timeout: 60_000 });
    for (const go of waiting) go();
    await answered(world, 6);
    expect(asked).toHaveLength(6);
  });

  test('of a process that died while it asked is asked again by another', async () => {
    const policy = webhookPolicy({ timeoutMs: '10s' });
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response) => answer(response, { fields: { price: 8 } });
    await openConflict(world, 'died');
    const store = createWebhookStore(database.pool);
    expect(await store.claim(10, 150)).toHaveLength(1);
    expect(await store.claim(10, 150)).toHaveLength(0);
    startResolver(world, policy);
    await answered(world);
    expect(await stateOf('died')).toMatchObject({ conflict: { status: 'resolved', webhookAttempts: 2 }, price: 8 });
  });

  test('is given up on at a stop, and asked again afterwards without losing an attempt', async () => {
    const policy = webhookPolicy({ timeoutMs: '10s', retries: 0 });
    const world = new HistoryWorld(database.pool, policy);
    behave = (_question, response, nth) => nth > 1 && answer(response, { fields: { price: 8 } });
    await openConflict(world, 'stop');
    const stop = startResolver(world, policy);
    await vi.waitFor(() => expect(asked).toHaveLength(1), { timeout: 60_000 });
    await stop();
    startResolver(world, policy);
    await answered(world);
    expect((await stateOf('stop')).conflict.status).toBe('resolved');
  });

  test('whose question was overtaken by a change is asked the new one', async () => {
    const policy = webhookPolicy({ timeoutMs: '10s' });
    const world = new HistoryWorld(database.pool, policy);
    const waiting: (() => void)[] = [];
    behave = ({ body }, response) => {
      const sides = body.fields.price!.sides as { value: number }[];
      waiting.push(() => answer(response, { fields: { price: Math.max(...sides.map(({ value }) => value)) * 10 } }));
    };
    await openConflict(world, 'moved');
    startResolver(world, policy);
    await vi.waitFor(() => expect(waiting).toHaveLength(1), { timeout: 60_000 });
    await world.change('SHOP', 'moved', { title: 'Cup', price: 9 });
    waiting[0]!();
    await vi.waitFor(() => expect(waiting).toHaveLength(2), { timeout: 60_000 });
    waiting[1]!();
    await answered(world);
    expect(await stateOf('moved')).toMatchObject({ conflict: { status: 'resolved' }, price: 90 });
  });

  test('that hangs does not keep another one waiting', async () => {
    const slow = { strategy: 'webhook', url: `${url}/slow`, secret, timeoutMs: '10m' };
    const policy = policyOf({ fields: { price: { strategy: 'webhook', url, secret }, title: slow } });
    const world = new HistoryWorld(database.pool, policy);
    behave = ({ body }, response) => body.fields.price !== undefined && answer(response, { fields: { price: 8 } });
    for (let n = 0; n < 6; n++) {
      await world.change('ERP', `slow-${n}`, { title: 'Cup' });
      await world.change('SHOP', `slow-${n}`, { title: 'Mug' });
    }
    await openConflict(world, 'quick');
    startResolver(world, policy, { questionsAtOnceMax: 4, questionsAtOncePerUrlMax: 2 });
    await answered(world);
    expect(await stateOf('quick')).toMatchObject({ conflict: { status: 'resolved' }, price: 8 });
  });
});
