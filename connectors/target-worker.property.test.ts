import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Pace } from '../adapters/memory/pace.ts';
import { kind, TargetWorld } from '../tests/target-world.ts';

const numRuns = Number(process.env.FC_RUNS ?? 500);

type Step =
  | { readonly kind: 'shop'; readonly key: string; readonly name: string; readonly sold: number; readonly gone: boolean }
  | { readonly kind: 'crm'; readonly key: string; readonly name: string; readonly sold: number; readonly gone: boolean }
  | { readonly kind: 'deliver' }
  | { readonly kind: 'acknowledge' }
  | { readonly kind: 'hear' }
  | { readonly kind: 'crash'; readonly operation: string; readonly after: boolean };

const change = { key: fc.constantFrom('A', 'B'), name: fc.constantFrom('x', 'y', 'z'), sold: fc.integer({ min: 0, max: 3 }) };
const operations = ['target.look', 'target.begin', 'target.settle', 'log.append', 'target.advance'];

function steps(deletions: boolean, crmWeight = 1): fc.Arbitrary<readonly Step[]> {
  const gone = deletions ? fc.boolean() : fc.constant(false);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('shop' as const), ...change, gone }),
    { weight: crmWeight, arbitrary: fc.record({ kind: fc.constant('crm' as const), ...change, gone }) },
    fc.constant({ kind: 'deliver' } as const),
    fc.constant({ kind: 'acknowledge' } as const),
    fc.constant({ kind: 'hear' } as const),
    fc.record({ kind: fc.constant('crash' as const), operation: fc.constantFrom(...operations), after: fc.boolean() }),
  );
  return fc.array(step, { minLength: 1, maxLength: 40 });
}

function dyingAt(operation: string, after: boolean): Pace {
  let dead = false;
  return async (name, effect) => {
    if (dead || name === operation) {
      const first = !dead;
      dead = true;
      if (first && after) effect();
      throw new Error(`died at ${operation}`);
    }
    return effect();
  };
}

/** CRM's change log misses nothing: it is looked at after whatever may have changed a row there. */
async function take(world: TargetWorld, step: Step, sales: Map<string, number>, said = new Map<string, string>()): Promise<void> {
  switch (step.kind) {
    case 'shop': {
      const sold = (sales.get(step.key) ?? 0) + step.sold;
      if (!step.gone) sales.set(step.key, sold);
      said.set(`shop ${step.key}`, step.name);
      world.says('SHOP', step.key, step.gone ? null : { name: step.name, stock: 100 - sold });
      break;
    }
    case 'crm': {
      const row = world.target.at(kind, step.key);
      if (row === null) break;
      const stock = typeof row.stock === 'number' ? row.stock - step.sold : 0;
      if (row.label !== step.name) said.set(`crm ${step.key}`, step.name);
      world.crmPuts(step.key, step.gone ? null : { label: step.name, stock });
      world.readCrm();
      if (!step.gone) sales.set(`crm ${step.key}`, (sales.get(`crm ${step.key}`) ?? 0) + step.sold);
      break;
    }
    case 'deliver':
      await world.deliver();
      world.readCrm();
      break;
    case 'acknowledge':
      world.hearAcknowledgements();
      break;
    case 'hear':
      world.hearCrm();
      break;
    case 'crash':
      world.newWorker(dyingAt(step.operation, step.after));
      await world.deliver().catch(() => undefined);
      world.readCrm();
      world.newWorker(async (_name, effect) => effect());
      await world.deliver();
      world.readCrm();
  }
}

function expectEqualReplicas(world: TargetWorld): void {
  expect(world.rows.echoes.filter(({ state }) => state === 'pending' || state === 'written')).toEqual([]);
  for (const key of world.keys()) {
    if (world.rows.states.get(`crm\0${kind}:${key}`)?.frozen) continue;
    const data = world.golden(key)?.data ?? null;
    const row = world.target.at(kind, key);
    expect(row === null ? null : { name: row.label, stock: row.stock }).toEqual(data);
    expect(world.own(key)?.data ?? null).toEqual(data);
  }
}

test('whatever changes, crashes and comes late: target, source and golden record end equal, and all comes to rest', async () => {
  await fc.assert(
    fc.asyncProperty(steps(true), async (history) => {
      const world = new TargetWorld({ crm: 'is-read' });
      const sales = new Map<string, number>();
      for (const step of history) await take(world, step, sales);
      await world.settle(80);
      expectEqualReplicas(world);
    }),
    { numRuns },
  );
});

test('what both sell is counted once, whatever crashes and comes late', async () => {
  await fc.assert(
    fc.asyncProperty(steps(false), async (history) => {
      const world = new TargetWorld({ crm: 'is-read', rules: { fields: { stock: { merge: 'counter' } } } });
      const sales = new Map<string, number>();
      for (const step of history) await take(world, step, sales);
      await world.settle(80);
      expectEqualReplicas(world);
      for (const key of world.keys()) {
        const first = history.find((step) => step.kind === 'shop' && step.key === key);
        if (first === undefined) continue;
        expect(world.golden(key)?.data?.stock).toBe(100 - (sales.get(key) ?? 0) - (sales.get(`crm ${key}`) ?? 0));
      }
    }),
    { numRuns },
  );
});

test('who changes nothing but is told of our writes, early or late, has no say', async () => {
  await fc.assert(
    fc.asyncProperty(steps(true), async (history) => {
      const world = new TargetWorld({ crm: 'is-read', rules: { default: 'priority', ranking: ['crm', 'shop'] } });
      const shop = history.filter((step) => step.kind !== 'crm');
      for (const step of shop) await take(world, step, new Map());
      await world.settle(80);
      expectEqualReplicas(world);
      for (const key of world.keys()) {
        expect(world.own(key)?.voice ?? { turn: 0 }).toMatchObject({ turn: 0 });
        const last = shop.findLast((step) => step.kind === 'shop' && step.key === key);
        expect(world.golden(key)?.deleted).toBe(last?.kind === 'shop' && last.gone);
      }
    }),
    { numRuns },
  );
});

test.each(['is-read', 'is-polled'] as const)('what stands in the end is what somebody said last (%s)', async (crm) => {
  await fc.assert(
    fc.asyncProperty(steps(false, 3), fc.boolean(), async (history, isCounted) => {
      const fields = isCounted ? { stock: { merge: 'counter' as const } } : {};
      const world = new TargetWorld({ crm, rules: { default: 'priority', ranking: ['crm', 'shop'], fields } });
      const said = new Map<string, string>();
      for (const step of history) await take(world, step, new Map(), said);
      await world.settle(80);
      expectEqualReplicas(world);
      for (const key of world.keys()) {
        if (world.rows.states.get(`crm\0${kind}:${key}`)?.frozen) continue;
        expect([said.get(`shop ${key}`), said.get(`crm ${key}`)]).toContain(world.golden(key)?.data?.name);
      }
    }),
    { numRuns },
  );
});
