import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConflictWorld, entityId, policyOf } from '../../tests/conflict-world.ts';
import { checksumOf } from '../canonical/canonical.ts';
import type { JsonObject } from '../json.ts';
import type { StateRow } from '../ports/sync-store.ts';
import { inconsistencyOf } from './table-consistency.ts';

const numRuns = Number(process.env.FC_RUNS ?? 500);

const sources = ['ERP', 'SHOP', 'WOO'];
const policies = [
  { ranking: ['erp', 'shop'] },
  { default: 'newest_wins' },
  { default: 'manual' },
  { default: 'newest_wins', fields: { stock: { merge: 'counter' }, tags: { merge: 'union' }, price: 'manual' } },
].map(policyOf);

const data = fc.record({
  price: fc.integer({ min: 1, max: 3 }),
  stock: fc.integer({ min: 0, max: 5 }),
  tags: fc.subarray(['a', 'b', 'c']),
});
type Step =
  | { readonly kind: 'says'; readonly source: string; readonly data: JsonObject | null }
  | { readonly kind: 'is-written'; readonly source: string };
const source = fc.constantFrom(...sources);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('says' as const), source, data: fc.option(data, { freq: 8 }) }),
  fc.record({ kind: fc.constant('is-written' as const), source }),
);
const history = fc.tuple(fc.constantFrom(...policies), fc.array(step, { minLength: 1, maxLength: 15 }));

function after([policy, steps]: readonly [(typeof policies)[number], readonly Step[]]): ConflictWorld {
  const world = new ConflictWorld(policy);
  for (const each of steps) {
    if (each.kind === 'says') world.change(each.source, each.data);
    else if (world.view.golden !== undefined) world.acknowledge(world.writeBack(each.source));
  }
  return world;
}

function tablesOf(world: ConflictWorld): StateRow[] {
  return [...(world.view.golden === undefined ? [] : [world.view.golden]), ...world.view.rows];
}

function findingOf(world: ConflictWorld, rows: readonly StateRow[]) {
  const rules = { policy: world.policy, writtenBack: new Set(sources), exact: [] };
  return inconsistencyOf({ entityId, rows, eventChecksums: new Map(), differences: [] }, rules);
}

test('whatever sources say and whatever is written back to them, the tables that come of it are consistent', () => {
  fc.assert(
    fc.property(history, (past) => {
      const world = after(past);
      const rows = tablesOf(world);
      fc.pre(rows.length > 0);
      expect(findingOf(world, rows)).toBeNull();
    }),
    { numRuns },
  );
});

test('a row whose data were changed behind the back is found, with its checksum and without', () => {
  fc.assert(
    fc.property(history, fc.boolean(), (past, withChecksum) => {
      const world = after(past);
      const rows = tablesOf(world);
      const golden = rows[0]!;
      fc.pre(golden?.data != null);
      const wrong = { ...golden.data!, price: 99 };
      const changed = { ...golden, data: wrong, checksum: withChecksum ? checksumOf(wrong) : golden.checksum };
      // Where a conflict waits for somebody the golden record keeps what it has, whatever that is.
      fc.pre(!withChecksum || !JSON.stringify(golden.voice).includes('"open"'));
      expect(findingOf(world, [changed, ...rows.slice(1)])).toMatchObject({ kind: 'inconsistent' });
    }),
    { numRuns },
  );
});

test('what is missing or does not fit is named', () => {
  const world = new ConflictWorld(policies[0]!);
  world.change('ERP', { price: 1 });
  world.change('SHOP', { price: 2 });
  const [golden, ...rows] = tablesOf(world);
  const rules = { policy: world.policy, writtenBack: new Set<string>(), exact: [] };
  const tables = { entityId, eventChecksums: new Map<string, string | null>(), differences: [] };
  const reason = (of: readonly StateRow[], events = tables.eventChecksums) =>
    inconsistencyOf({ ...tables, rows: of, eventChecksums: events }, rules)?.reason;
  expect(reason(rows)).toBe('there is no golden record of the rows of sources');
  expect(reason([golden!])).toBe('there is a golden record and no row of a source');
  const emptied = { ...golden!, deleted: true, data: null, checksum: null, voice: { policy: '', of: {}, mergedInto: entityId } };
  expect(reason([emptied])).toBeUndefined();
  const event = new Map([[rows[0]!.eventId as string, checksumOf({ price: 7 }) as string]]);
  expect(reason([golden!, ...rows], event)).toMatch(/^the (ERP|SHOP) row of sync_state is not what its newest event brought$/);
  const otherPolicy = { ...rules, policy: policyOf({ ranking: ['shop', 'erp'] }) };
  expect(inconsistencyOf({ ...tables, rows: [golden!, ...rows] }, otherPolicy)).toEqual({
    kind: 'inconsistent',
    fields: ['price'],
    reason: 'the golden record is not what comes of the rows by the policy of today',
  });
});
