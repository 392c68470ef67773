import { afterEach, beforeEach, expect, test } from 'vitest';
import { createVerificationDesk } from '../adapters/postgres/verification-desk.ts';
import { createVerificationLedger } from '../adapters/postgres/verification-ledger.ts';
import { checksumOf } from '../core/canonical/canonical.ts';
import { type JsonObject, parseExact } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Logger } from '../core/ports/logger.ts';
import type { Sighting, Subject } from '../core/verify/finding.ts';
import { roundsMax } from '../core/verify/suspicion.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { Verifier } from './verifier.ts';
import type { ComparedChunk, Comparison } from './verifier-part.ts';

const part = { system: 'crm', kind: 'product' };
const say = () => undefined;
const logger: Logger = { error: say, warn: say, info: say, debug: say, with: () => logger };
const clock: Clock = { nowMs: () => 0, sleep: async () => undefined };
const forever = new AbortController().signal;

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.close());

/** A system of numbered records; those in `wrong` differ, and their other side is at the given value. */
class FakeComparison implements Comparison {
  readonly passes = ['records', 'rows'];
  readonly certain: boolean = false;
  readonly target = 'crm';
  toldAfterMs = 0;
  readonly wrong = new Map<string, number>();
  readonly chunks: string[] = [];
  beforeChunk: (n: number) => Promise<void> = async () => undefined;
  beforeLook: () => void = () => undefined;
  told = true;
  readonly #chunksMax: number;

  constructor(chunksMax: number) {
    this.#chunksMax = chunksMax;
  }

  async open(): Promise<void> {}

  async chunk(pass: string, after: JsonObject | null): Promise<ComparedChunk> {
    const n = ((after?.n as number | undefined) ?? 0) + 1;
    await this.beforeChunk(this.chunks.length);
    this.chunks.push(`${pass} ${n}`);
    const sightings = n === 1 ? [...this.wrong.keys()].map((key) => this.#sighting(key)) : [];
    return { records: 10, sightings, next: n === this.#chunksMax ? null : { n } };
  }

  async isToldSince(): Promise<boolean> {
    return this.told;
  }

  async again(subjects: readonly Subject[]): Promise<Sighting[]> {
    this.beforeLook();
    return subjects.map(({ key }) => this.#sighting(key!));
  }

  #sighting(key: string): Sighting {
    const there = this.wrong.get(key);
    const finding = there === undefined ? null : { kind: 'differs' as const, fields: ['stock'], reason: null };
    return { key, entityId: null, finding, here: checksumOf(0), there: checksumOf(there ?? 0) };
  }
}

function verifierOf(comparison: Comparison | string, passed = true): Verifier {
  return new Verifier({
    ledger: createVerificationLedger(database.pool),
    passage: { passed: async () => passed },
    comparisons: new Map([[part, comparison]]),
    clock,
    logger,
    recordsPerSecondMax: 1_000_000,
  });
}

async function request(): Promise<string> {
  const desk = createVerificationDesk(database.pool);
  return (await desk.request({ systems: [], kinds: [], settleMs: 0, askedBy: 'me' }))!;
}

async function shown(id: string) {
  const desk = createVerificationDesk(database.pool);
  const found = (await desk.show(id))!;
  const { rows } = await desk.findings(id, {}, { after: null, limit: 100 });
  return { ...found, findings: rows.map(({ key, state }) => `${key} ${state}`).sort() };
}

test('what is equal when it is looked at again was on its way, what stood still differs, what never stands still is moving', async () => {
  const comparison = new FakeComparison(1);
  for (const key of ['late', 'wrong', 'restless']) comparison.wrong.set(key, 1);
  let looks = 0;
  comparison.beforeLook = () => {
    looks++;
    comparison.wrong.delete('late');
    comparison.wrong.set('restless', looks + 1);
  };
  const id = await request();
  await verifierOf(comparison).work(forever);
  const { verification, parts, findings } = await shown(id);
  expect(findings).toEqual(['restless moving', 'wrong found']);
  expect(looks).toBe(roundsMax);
  expect(verification).toMatchObject({ state: 'differs', findings: 1, moving: 1, records: 20 });
  expect(parts).toMatchObject([{ system: 'crm', state: 'differs', findings: 1, moving: 1 }]);
});

test('a system that has not told yet of what happened is never called different', async () => {
  const comparison = new FakeComparison(1);
  comparison.wrong.set('A', 1);
  comparison.told = false;
  const id = await request();
  await verifierOf(comparison).work(forever);
  expect((await shown(id)).findings).toEqual(['A moving']);
});

test('nothing is looked at again before the system must have told of its changes', async () => {
  const comparison = new FakeComparison(1);
  comparison.wrong.set('A', 1);
  comparison.toldAfterMs = 30_000;
  const slept: number[] = [];
  comparison.beforeLook = () => void slept.push(-1);
  const desk = createVerificationDesk(database.pool);
  await desk.request({ systems: [], kinds: [], settleMs: 5_000, askedBy: 'me' });
  const verifier = new Verifier({
    ledger: createVerificationLedger(database.pool),
    passage: { passed: async () => true },
    comparisons: new Map([[part, comparison]]),
    clock: { nowMs: () => 0, sleep: async (ms) => void slept.push(ms) },
    logger,
    recordsPerSecondMax: 1_000_000,
  });
  await verifier.work(forever);
  expect(slept.slice(-2)).toEqual([35_000, -1]);
});

test('while the pipeline stands still nothing is said to differ', async () => {
  const comparison = new FakeComparison(1);
  comparison.wrong.set('A', 1);
  const id = await request();
  await verifierOf(comparison, false).work(forever);
  expect(await shown(id)).toMatchObject({ verification: { state: 'equal', moving: 1 }, findings: ['A moving'] });
});

test('up to when everything was equal moves with verifications that found nothing, and only with them', async () => {
  const desk = createVerificationDesk(database.pool);
  const comparison = new FakeComparison(1);
  const verified = async () => {
    await request();
    await verifierOf(comparison).work(forever);
    return (await desk.through())[0]!;
  };
  comparison.wrong.set('A', 1);
  expect(await verified()).toMatchObject({ through: null, findings: 1 });
  comparison.wrong.clear();
  const { through, checkedAt } = await verified();
  expect(through).toBe(checkedAt);
  comparison.wrong.set('A', 1);
  expect(await verified()).toMatchObject({ through, findings: 1 });
});

test('a process that dies between two chunks is followed by one that goes on at the next', async () => {
  const comparison = new FakeComparison(5);
  comparison.wrong.set('A', 1);
  comparison.beforeChunk = async (n) => {
    if (n === 3 || n === 7) throw new DOMException('the process died', 'AbortError');
  };
  const id = await request();
  const dying = async () => {
    const death = new AbortController();
    const before = comparison.beforeChunk;
    comparison.beforeChunk = (n) =>
      before(n).catch((error: unknown) => {
        death.abort();
        throw error;
      });
    await verifierOf(comparison)
      .work(death.signal)
      .catch(() => undefined);
    comparison.beforeChunk = before;
  };
  await dying();
  comparison.beforeChunk = async (n) => {
    if (n === 7) throw new Error('the process died');
  };
  await dying();
  comparison.beforeChunk = async () => undefined;
  await verifierOf(comparison).work(forever);
  const each = (pass: string) => [1, 2, 3, 4, 5].map((n) => `${pass} ${n}`);
  expect(comparison.chunks).toEqual([...each('records'), ...each('rows')]);
  expect(await shown(id)).toMatchObject({ verification: { state: 'differs', records: 100 }, findings: ['A found'] });
});

test('where reading goes on is kept with all digits of its key', async () => {
  await request();
  const ledger = createVerificationLedger(database.pool);
  const run = (await ledger.takeUp())!;
  await ledger.parts(run, [part]);
  const after = parseExact('{"k":12345678901234567890.123456789}') as JsonObject;
  await ledger.keep(run, part, { pass: 'rows', after, records: 1, suspects: [], certain: false });
  expect(await ledger.parts(run, [part])).toMatchObject([{ pass: 'rows', after }]);
});

test('a key of any length is a finding like any other', async () => {
  const comparison = new FakeComparison(1);
  const long = Array.from({ length: 9_000 }, (_none, n) => checksumOf(n)[0]).join('');
  for (const key of [`${long}a`, `${long}b`]) comparison.wrong.set(key, 1);
  const id = await request();
  await verifierOf(comparison).work(forever);
  expect((await shown(id)).findings).toEqual([`${long}a found`, `${long}b found`]);
});

test('a process that another has followed keeps nothing any more', async () => {
  const comparison = new FakeComparison(3);
  const id = await request();
  comparison.beforeChunk = async (n) => {
    if (n === 1) await createVerificationLedger(database.pool).takeUp();
  };
  await verifierOf(comparison).work(forever);
  expect(comparison.chunks).toEqual(['records 1', 'records 2']);
  expect(await shown(id)).toMatchObject({ verification: { state: 'running', records: 10 } });
});

test('one that is cancelled ends, and what it found stays', async () => {
  const comparison = new FakeComparison(3);
  comparison.wrong.set('A', 1);
  const id = await request();
  comparison.beforeChunk = async (n) => {
    if (n === 1) await createVerificationDesk(database.pool).cancel(id, 'me');
  };
  await verifierOf(comparison).work(forever);
  expect(await shown(id)).toMatchObject({
    verification: { state: 'cancelled' },
    parts: [{ state: 'cancelled' }],
    findings: ['A suspected'],
  });
  expect(await verifierOf(comparison).work(forever)).toBe(false);
});

test('a system that does not answer fails its part and no other, one that cannot be asked says so', async () => {
  const silent = new FakeComparison(1);
  silent.open = () => Promise.reject(new Error('connect ECONNREFUSED'));
  const comparisons = new Map<typeof part, Comparison | string>([
    [{ system: 'silent', kind: 'product' }, silent],
    [{ system: 'shop', kind: 'product' }, 'it cannot be asked'],
    [part, new FakeComparison(1)],
  ]);
  const ledger = createVerificationLedger(database.pool);
  const id = await request();
  const passage = { passed: async () => true };
  await new Verifier({ ledger, passage, comparisons, clock, logger, recordsPerSecondMax: 1_000_000 }).work(forever);
  const { verification, parts } = await shown(id);
  expect(verification.state).toBe('failed');
  expect(parts.map(({ system, state, reason }) => `${system} ${state} ${reason}`)).toEqual([
    'silent failed connect ECONNREFUSED',
    'shop unreadable it cannot be asked',
    'crm equal null',
  ]);
});

test('only the systems and kinds that were asked for are looked at', async () => {
  const desk = createVerificationDesk(database.pool);
  const other = new FakeComparison(1);
  const comparisons = new Map([
    [part, new FakeComparison(1)],
    [{ system: 'crm', kind: 'order' }, other],
    [{ system: 'erp', kind: 'product' }, other],
  ]);
  const ledger = createVerificationLedger(database.pool);
  const id = await desk.request({ systems: ['crm'], kinds: ['product'], settleMs: 0, askedBy: 'me' });
  const passage = { passed: async () => true };
  await new Verifier({ ledger, passage, comparisons, clock, logger, recordsPerSecondMax: 1_000_000 }).work(forever);
  expect(other.chunks).toEqual([]);
  expect((await shown(id!)).parts).toMatchObject([{ system: 'crm', kind: 'product', state: 'equal' }]);
});
