import { afterEach, beforeEach, expect, test } from 'vitest';
import { createVerificationDesk } from '../adapters/postgres/verification-desk.ts';
import { createRepairLedger, createTargetBeliefs } from '../adapters/postgres/verification-repairs.ts';
import { checksumOf } from '../core/canonical/canonical.ts';
import type { EntityId } from '../core/change-event.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Logger } from '../core/ports/logger.ts';
import type { Sighting, Subject } from '../core/verify/finding.ts';
import type { RepairAction } from '../core/verify/repair-plan.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { Repairer } from './repair.ts';
import type { Repairing } from './repair-system.ts';
import type { Comparison } from './verifier-part.ts';

const say = () => undefined;
const logger: Logger = { error: say, warn: say, info: say, debug: say, with: () => logger };
const clock: Clock = { nowMs: () => 0, sleep: async () => undefined };
const forever = new AbortController().signal;

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.close());

/** Records that differ, by key, with what can be done about each; `act` makes them equal. */
class FakeSystem implements Repairing, Pick<Comparison, 'open' | 'again' | 'toldAfterMs' | 'target'> {
  readonly toldAfterMs: number = 0;
  readonly target: string | null = 'crm';
  readonly wrong = new Map<string, RepairAction>();
  readonly acts: string[] = [];
  afterAct: (key: string) => void = (key) => void this.wrong.delete(key);

  async open(): Promise<void> {}

  async again(subjects: readonly Subject[]): Promise<Sighting[]> {
    const side = checksumOf(0);
    return subjects.map(({ key }) => {
      const finding = this.wrong.has(key!) ? { kind: 'differs' as const, fields: ['stock'], reason: null } : null;
      return { key, entityId: null, finding, here: side, there: side };
    });
  }

  async plan(suspects: readonly Subject[]) {
    return suspects.map(({ key }) => {
      const action = this.wrong.get(key!)!;
      return { action, reason: action === 'none' ? 'it cannot be' : null };
    });
  }

  async act(action: RepairAction, subjects: readonly Subject[]): Promise<void> {
    this.acts.push(`${action} ${subjects.map(({ key }) => key)}`);
    for (const { key } of subjects) this.afterAct(key!);
  }
}

async function found(keys: readonly string[]): Promise<string> {
  const id = (await createVerificationDesk(database.pool).request({ systems: [], kinds: [], settleMs: 0, askedBy: 'me' }))!;
  await database.pool.query(`UPDATE verifications SET state = 'differs' WHERE id = $1`, [id]);
  await database.pool.query(
    `INSERT INTO verification_findings (verification_id, system, kind, subject, key, state, finding, here, there)
     SELECT $1, 'crm', 'product', k, k, 'found', 'differs', repeat('0', 64), repeat('0', 64) FROM unnest($2::text[]) AS k`,
    [id, keys],
  );
  return id;
}

function work(system: FakeSystem, { passed = true, signal = forever, slept = [] as number[] } = {}): Promise<boolean> {
  const part = { comparison: system as unknown as Comparison, repairing: system };
  return new Repairer({
    ledger: createRepairLedger(database.pool),
    passage: { passed: async () => passed },
    parts: new Map([['crm/product', part]]),
    clock: { ...clock, sleep: async (ms) => void slept.push(ms) },
    logger,
  }).work(signal);
}

async function request(verificationId: string, dryRun = false): Promise<() => Promise<string[]>> {
  const desk = createVerificationDesk(database.pool);
  const id = (await desk.requestRepair({ verificationId, dryRun, deleteUnknown: false, askedBy: 'me' }))!;
  return async () => {
    const { rows } = await desk.repairItems(id, { after: null, limit: 100 });
    const { state } = (await desk.repair(id))!;
    return [state, ...rows.map(({ key, action, outcome }) => `${key} ${action} ${outcome}`).sort()];
  };
}

function systemWith(actions: Readonly<Record<string, RepairAction>>): FakeSystem {
  const system = new FakeSystem();
  for (const [key, action] of Object.entries(actions)) system.wrong.set(key, action);
  return system;
}

test('a dry run says of each finding what would be done and does nothing', async () => {
  const system = systemWith({ A: 'write', B: 'tell', C: 'none' });
  const shown = await request(await found(['A', 'B', 'C', 'D']), true);
  await work(system);
  expect(await shown()).toEqual(['done', 'A write planned', 'B tell planned', 'C none left', 'D none equal']);
  expect(system.acts).toEqual([]);
});

test('a repair does it, looks at the same records again and says which are equal', async () => {
  const system = systemWith({ A: 'write', B: 'write', C: 'tell', X: 'none', Y: 'none' });
  const shown = await request(await found(['A', 'B', 'C', 'X', 'Y']));
  system.afterAct = (key) => {
    if (key !== 'B') system.wrong.delete(key);
    // What was done about one may bring back another.
    system.wrong.delete('Y');
  };
  await work(system);
  expect(system.acts).toEqual(['write A,B', 'tell C']);
  expect(await shown()).toEqual(['done', 'A write equal', 'B write differs', 'C tell equal', 'X none left', 'Y none equal']);
  expect(await work(system)).toBe(false);
});

test('a process that dies in the midst is followed by one that leaves nothing out', async () => {
  const system = systemWith({ A: 'write', B: 'tell' });
  const shown = await request(await found(['A', 'B']));
  const death = new AbortController();
  system.afterAct = () => {
    death.abort();
    throw new Error('the process died');
  };
  await work(system, { signal: death.signal }).catch(() => undefined);
  expect(await shown()).toEqual(['running', 'A write planned', 'B tell planned']);
  system.afterAct = (key) => void system.wrong.delete(key);
  await work(system);
  expect(await shown()).toEqual(['done', 'A write equal', 'B tell equal']);
});

test('what was written is told at the next look of a target, and what was told of a source is waited for by nobody', async () => {
  for (const target of ['crm', null]) {
    const slept: number[] = [];
    const system = Object.assign(systemWith({ A: 'tell' }), { toldAfterMs: 30_000, target });
    await request(await found(['A']));
    await work(system, { slept });
    expect(slept[0], String(target)).toBe(target === null ? 0 : 30_000);
  }
});

test('what cannot be done fails the repair with its reason', async () => {
  const system = systemWith({ A: 'write' });
  const shown = await request(await found(['A']));
  system.afterAct = () => {
    throw new Error('the target is paused');
  };
  await work(system);
  expect(await shown()).toEqual(['failed', 'A write planned']);
  const { rows } = await database.pool.query('SELECT reason FROM repairs');
  expect(rows).toEqual([{ reason: 'the target is paused' }]);
});

test('where the pipeline stands still that is said, and not that the repair did not help', async () => {
  const system = systemWith({ A: 'write' });
  await request(await found(['A']));
  system.afterAct = () => undefined;
  await work(system, { passed: false });
  const { rows } = await database.pool.query('SELECT outcome, reason FROM repair_items');
  expect(rows).toEqual([{ outcome: 'differs', reason: 'the pipeline stands still: see `syncline status`' }]);
});

test('what is believed of a target is what was found there, unless that has changed since', async () => {
  const beliefs = createTargetBeliefs(database.pool);
  const entityId = 'product:A' as EntityId;
  const [meant, made, other] = [1, 2, 3].map(checksumOf) as [
    ReturnType<typeof checksumOf>,
    ReturnType<typeof checksumOf>,
    ReturnType<typeof checksumOf>,
  ];
  await database.pool.query(`INSERT INTO target_guard (target, known) VALUES ('crm', 7)`);
  await database.pool.query(
    `INSERT INTO target_state (target, entity_id, kind, key, version, intended, checksum) VALUES ('crm', $1, 'product', 'A', 4, $2, $3)`,
    [entityId, meant, made],
  );
  const before = { key: 'A', version: 4, intended: meant, checksum: made, flips: 0, frozen: false };
  const state = async () =>
    (await database.pool.query('SELECT intended, checksum, known FROM target_state JOIN target_guard USING (target)')).rows[0];
  await beliefs.found('crm', entityId, { ...before, version: 3 }, null);
  expect(await state()).toEqual({ intended: meant, checksum: made, known: 7 });
  await beliefs.found('crm', entityId, before, other);
  expect(await state()).toEqual({ intended: '0'.repeat(64), checksum: other, known: 7 });
  await beliefs.found('crm', entityId, { ...before, intended: '0'.repeat(64) as never, checksum: other }, null);
  expect(await state()).toEqual({ intended: '0'.repeat(64), checksum: null, known: 6 });
});
