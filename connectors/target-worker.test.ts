import { describe, expect, test } from 'vitest';
import type { Pace } from '../adapters/memory/pace.ts';
import { capitals, kind, TargetWorld } from '../tests/target-world.ts';

/** The process dies at the n-th operation of this name, before or after it took effect. */
function dyingAt(operation: string, when: 'before' | 'after', nth = 1): Pace {
  let dead = false;
  let seen = 0;
  return async (name, effect) => {
    if (dead) throw new Error('dead');
    if (name !== operation || ++seen < nth) return effect();
    dead = true;
    if (when === 'after') effect();
    throw new Error(`died ${when} ${operation}`);
  };
}

async function dies(world: TargetWorld, pace: Pace): Promise<void> {
  world.newWorker(pace);
  await expect(world.deliver()).rejects.toThrow();
  world.newWorker();
}

describe('a system that is only written to', () => {
  test('gets what the sources agree on, in its own shape, and loses what is deleted', async () => {
    const world = new TargetWorld({ crm: 'target-only' });
    world.says('SHOP', 'A', { name: 'Chair', stock: 3 });
    world.says('SHOP', 'B', { name: 'Table', stock: 1 });
    await world.settle();
    expect(world.target.at(kind, 'A')).toEqual({ sku: 'A', label: 'Chair', stock: 3 });
    world.says('SHOP', 'A', { name: 'Chair', stock: 2 });
    world.says('SHOP', 'B', null);
    await world.settle();
    expect(world.target.at(kind, 'A')).toEqual({ sku: 'A', label: 'Chair', stock: 2 });
    expect(world.target.at(kind, 'B')).toBeNull();
    expect(world.messages('canonical')).toEqual([]);
  });

  test('a field that the record has lost is emptied there', async () => {
    const world = new TargetWorld({ crm: 'target-only' });
    world.says('SHOP', 'A', { name: 'Chair', stock: 3 });
    await world.settle();
    world.says('SHOP', 'A', { name: 'Chair' });
    await world.settle();
    expect(world.target.at(kind, 'A')).toEqual({ sku: 'A', label: 'Chair', stock: null });
  });

  test('of many versions in a batch the newest is written, and it once', async () => {
    const world = new TargetWorld({ crm: 'target-only' });
    for (let stock = 0; stock < 5; stock++) world.says('SHOP', 'A', { name: 'Chair', stock });
    await world.settle();
    expect(world.target.at(kind, 'A')).toMatchObject({ stock: 4 });
    expect(world.rows.states.get('crm\0product:A')).toMatchObject({ version: 5 });
  });

  test('what somebody else changed there is overwritten, or kept, as configured', async () => {
    for (const onForeignChange of ['overwrite', 'keep'] as const) {
      const world = new TargetWorld({ crm: 'target-only', onForeignChange });
      world.says('SHOP', 'A', { name: 'Chair', stock: 3 });
      await world.settle();
      world.crmPuts('A', { label: 'Mine', stock: 3 });
      world.says('SHOP', 'A', { name: 'Armchair', stock: 3 });
      await world.settle();
      const label = onForeignChange === 'overwrite' ? 'Armchair' : 'Mine';
      expect(world.target.at(kind, 'A')).toMatchObject({ label });
    }
  });

  test('a target that normalises is not written to again for it', async () => {
    let writes = 0;
    const world = new TargetWorld({
      crm: 'target-only',
      habits: capitals,
      connector: (target) => ({
        open: () => target.open(),
        keyOf: (of, row) => target.keyOf(of, row),
        write: (of, changes) => {
          writes++;
          return target.write(of, changes);
        },
        close: () => target.close(),
      }),
    });
    world.says('SHOP', 'A', { name: 'Chair', stock: 3 });
    await world.settle();
    world.log.append({ topic: 'resolved.product', partition: 0, key: 'product:A', value: '{}' });
    await world.settle();
    expect(writes).toBe(1);
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'CHAIR' });
  });

  test('a row at fault goes to the letters, the others are written, and its next version settles the letter', async () => {
    const world = new TargetWorld({
      crm: 'target-only',
      habits: { objection: (row) => ((row.stock as number) < 0 ? 'stock is below 0' : undefined) },
    });
    for (const [key, stock] of Object.entries({ A: 1, B: -1, C: 3, D: 4, E: -2 })) world.says('SHOP', key, { name: key, stock });
    await world.settle();
    expect(['A', 'B', 'C', 'D', 'E'].map((key) => world.target.at(kind, key)?.stock ?? null)).toEqual([1, null, 3, 4, null]);
    expect(world.rows.letters.get('crm\0product:B')).toMatchObject({
      status: 'parked',
      code: 'target.rejected',
      reason: 'stock is below 0',
    });
    world.says('SHOP', 'B', { name: 'B', stock: 2 });
    await world.settle();
    expect(world.rows.letters.get('crm\0product:B')).toMatchObject({ status: 'superseded' });
    world.rows.letters.get('crm\0product:E')!.status = 'replaying';
    await world.worker.replay();
    expect(world.rows.letters.get('crm\0product:E')).toMatchObject({ status: 'parked', attempts: 2 });
  });
});

describe('a system that is source and target', () => {
  test('X, Y, X: every write is acknowledged once, and none is taken for another', async () => {
    const world = new TargetWorld({ crm: 'is-read' });
    for (const name of ['X', 'Y', 'X']) {
      world.says('SHOP', 'A', { name, stock: 1 });
      await world.settle();
      expect(world.target.at(kind, 'A')).toMatchObject({ label: name });
    }
    expect(world.heardWriteBacks).toBe(3);
    expect(world.golden('A')).toMatchObject({ version: 3, data: { name: 'X' } });
    expect(world.own('A')?.data).toEqual({ name: 'X', stock: 1 });
  });

  test('a value that its users turn back while our write is unheard of is theirs', async () => {
    const world = new TargetWorld({ crm: 'pushes' });
    world.says('CRM', 'A', { name: 'X', stock: 1 });
    world.crmPuts('A', { label: 'X', stock: 1 });
    world.says('SHOP', 'A', { name: 'X', stock: 1 });
    await world.settle();
    world.says('SHOP', 'A', { name: 'Y', stock: 1 });
    await world.deliver();
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Y' });
    world.crmPuts('A', { label: 'X', stock: 1 });
    world.says('SHOP', 'A', { name: 'Y', stock: 2 });
    await world.deliver();
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'X', stock: 1 });
    await world.settle();
    expect(world.golden('A')?.data).toEqual({ name: 'X', stock: 2 });
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'X', stock: 2 });
  });

  test('one write follows another that is unheard of', async () => {
    const world = new TargetWorld({ crm: 'is-read' });
    for (const name of ['X', 'Y', 'Z']) {
      world.says('SHOP', 'A', { name, stock: 1 });
      await world.deliver();
      expect(world.target.at(kind, 'A')).toMatchObject({ label: name });
    }
    await world.settle();
    expect(world.heardWriteBacks).toBe(3);
    expect(world.messages('raw')).toEqual([]);
    expect(world.golden('A')).toMatchObject({ version: 3, data: { name: 'Z', stock: 1 } });
  });

  test('a system that does not tell of our writes is not held against what it told before them', async () => {
    const world = new TargetWorld({ crm: 'pushes' });
    world.says('SHOP', 'A', { name: 'X', stock: 1 });
    await world.deliver();
    const forgets = world
      .messages('raw')
      .filter(({ value, headers }) => value === null && headers['syncline-control'] === 'forget');
    expect(forgets.map(({ key }) => key)).toEqual(['A', 'A']);
  });

  test('what is found there instead of what was expected is told as its change, and decides with the others', async () => {
    const world = new TargetWorld({ crm: 'pushes' });
    world.says('SHOP', 'A', { name: 'Chair', stock: 1 });
    await world.settle();
    world.crmPuts('A', { label: 'Stool', stock: 1 });
    world.says('SHOP', 'A', { name: 'Chair', stock: 7 });
    await world.deliver();
    const [forget, change] = world.messages('raw').slice(-2);
    expect(forget).toMatchObject({ key: 'A', value: null, headers: { 'syncline-control': 'forget' } });
    expect(JSON.parse(change!.value!.toString())).toMatchObject({ source: 'crm', data: { label: 'Stool', stock: 1 } });
    await world.settle();
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Stool', stock: 7 });
    expect(world.golden('A')?.data).toEqual({ name: 'Stool', stock: 7 });
  });

  test.each(['is-read', 'pushes'] as const)('a system that normalises (%s) comes to rest', async (crm) => {
    const world = new TargetWorld({ crm, habits: capitals, rules: { default: 'priority', ranking: ['shop', 'crm'] } });
    world.says('SHOP', 'A', { name: 'Chair', stock: 1 });
    await world.settle();
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'CHAIR' });
    expect(world.golden('A')?.data).toMatchObject({ name: 'Chair' });
    expect(world.heardWriteBacks).toBe(1);
    world.says('SHOP', 'A', { name: 'Chair', stock: 2 });
    await world.settle();
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'CHAIR', stock: 2 });
    expect(world.heardWriteBacks).toBe(2);
  });

  const deaths = [
    ['target.begin', 'before'],
    ['target.begin', 'after'],
    ['target.settle', 'before'],
    ['target.settle', 'after'],
    ['log.append', 'before'],
    ['log.append', 'after'],
    ['target.advance', 'before'],
    ['target.advance', 'after'],
  ] as const;
  for (const habits of [{}, capitals]) {
    test.each(deaths)(
      `a process that dies at %s, %s it, loses and doubles nothing${habits === capitals ? ' at a system that normalises' : ''}`,
      async (operation, when) => {
        const world = new TargetWorld({ crm: 'is-read', habits, rules: { default: 'priority', ranking: ['shop', 'crm'] } });
        world.says('SHOP', 'A', { name: 'Chair', stock: 1 });
        await world.settle();
        world.says('SHOP', 'A', { name: 'Stool', stock: 2 });
        await dies(world, dyingAt(operation, when));
        await world.settle();
        const label = habits === capitals ? 'STOOL' : 'Stool';
        expect(world.target.at(kind, 'A')).toEqual({ sku: 'A', label, stock: 2 });
        expect(world.golden('A')?.data).toEqual({ name: 'Stool', stock: 2 });
        expect(world.heardWriteBacks).toBe(2);
        expect(world.rows.echoes.map(({ state }) => state)).not.toContain('pending');
      },
    );
  }

  test('what is counted moves by our difference, whatever was sold there meanwhile', async () => {
    const world = new TargetWorld({ crm: 'is-read', rules: { default: 'newest_wins', fields: { stock: { merge: 'counter' } } } });
    world.says('SHOP', 'A', { name: 'Chair', stock: 10 });
    await world.settle();
    world.crmPuts('A', { label: 'Chair', stock: 7 });
    world.says('SHOP', 'A', { name: 'Chair', stock: 8 });
    await world.deliver();
    expect(world.target.at(kind, 'A')).toMatchObject({ stock: 5 });
    await world.settle();
    expect(world.golden('A')?.data).toMatchObject({ stock: 5 });
    expect(world.target.at(kind, 'A')).toMatchObject({ stock: 5 });
  });

  test('a sale in the very moment of our write is counted, and so is what comes after it', async () => {
    let beforeNextWrite: () => void = () => undefined;
    const world = new TargetWorld({
      crm: 'is-read',
      rules: { fields: { stock: { merge: 'counter' } } },
      connector: (target) => ({
        open: () => target.open(),
        keyOf: (of, row) => target.keyOf(of, row),
        write: (of, changes) => {
          if (changes.some(({ decide }) => decide(target.at(of, 'A')).kind === 'write')) beforeNextWrite();
          return target.write(of, changes);
        },
        close: () => target.close(),
      }),
    });
    world.says('SHOP', 'A', { name: 'Chair', stock: 10 });
    await world.settle();
    world.says('SHOP', 'A', { name: 'Chair', stock: 9 });
    beforeNextWrite = () => {
      beforeNextWrite = () => undefined;
      world.crmPuts('A', { label: 'Chair', stock: 9 });
    };
    await world.deliver();
    expect(world.target.at(kind, 'A')).toMatchObject({ stock: 8 });
    await world.settle();
    expect(world.golden('A')?.data).toMatchObject({ stock: 8 });
    world.says('SHOP', 'A', { name: 'Chair', stock: 10 });
    await world.settle();
    expect(world.golden('A')?.data).toMatchObject({ stock: 9 });
    expect(world.target.at(kind, 'A')).toMatchObject({ stock: 9 });
  });

  test('a write that was noted and not made is not taken for made because somebody else meant the same', async () => {
    const world = new TargetWorld({ crm: 'is-read', rules: { fields: { stock: { merge: 'counter' } } } });
    world.says('SHOP', 'A', { name: 'Chair', stock: 10 });
    await world.settle();
    world.says('SHOP', 'A', { name: 'Stool', stock: 9 });
    await dies(world, dyingAt('target.begin', 'after'));
    world.crmPuts('A', { label: 'Stool', stock: 10 });
    await world.settle();
    expect(world.golden('A')?.data).toEqual({ name: 'Stool', stock: 9 });
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Stool', stock: 9 });
  });

  test('a record that is turned back twice after our writes is left alone and reported', async () => {
    const world = new TargetWorld({ crm: 'is-read' });
    world.says('SHOP', 'A', { name: 'X', stock: 1 });
    await world.settle();
    for (let round = 0; round < 4; round++) {
      for (const name of ['X', 'Y']) world.says('SHOP', 'A', { name, stock: 1 });
      await world.settle();
      if (world.target.at(kind, 'A')?.label === 'Y') world.crmPuts('A', { label: 'X', stock: 1 });
      await world.settle();
    }
    expect(world.rows.letters.get('crm\0product:A')).toMatchObject({ code: 'target.flapping', details: { fields: ['name'] } });
    expect(world.rows.states.get('crm\0product:A')).toMatchObject({ frozen: true });
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'X' });
  });
});

describe('a target in trouble', () => {
  test('too many deletions pause it until somebody approves', async () => {
    const world = new TargetWorld({ crm: 'target-only', guard: { deletedMax: 0.5, atLeast: 2 } });
    for (const key of ['A', 'B', 'C', 'D']) world.says('SHOP', key, { name: key, stock: 1 });
    await world.settle();
    for (const key of ['A', 'B', 'C']) world.says('SHOP', key, null);
    await expect(world.deliver()).rejects.toMatchObject({ code: 'target.guarded' });
    await expect(world.deliver()).rejects.toThrow('3 of 4 records would be deleted, more than 50 %');
    expect(world.target.rows.size).toBe(4);
    const guard = world.rows.guards.get('crm')!;
    world.rows.guards.set('crm', { ...guard, state: 'running', approvedUntilMs: world.clock.nowMs() + 1_000 });
    await world.settle();
    expect(world.target.rows.size).toBe(1);
  });

  test('one that does not answer is left alone for a while, and then tried once', async () => {
    let calls = 0;
    let works = false;
    const world = new TargetWorld({
      crm: 'target-only',
      connector: (target) => ({
        open: async () => {
          calls++;
          if (!works) throw new Error('connect ECONNREFUSED');
        },
        keyOf: (of, row) => target.keyOf(of, row),
        write: (of, changes) => target.write(of, changes),
        close: () => target.close(),
      }),
    });
    world.says('SHOP', 'A', { name: 'Chair', stock: 1 });
    for (let attempt = 0; attempt < 6; attempt++) await expect(world.deliver()).rejects.toThrow('ECONNREFUSED');
    expect(calls).toBe(3);
    world.clock.advance(1_000);
    await expect(world.deliver()).rejects.toThrow('ECONNREFUSED');
    await expect(world.deliver()).rejects.toThrow('left alone');
    expect(calls).toBe(4);
    works = true;
    world.clock.advance(2_000);
    await world.settle();
    expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Chair' });
  });

  test('a process that lost the partition writes nothing more into the tables', async () => {
    const world = new TargetWorld({ crm: 'is-read' });
    world.says('SHOP', 'A', { name: 'Chair', stock: 1 });
    await world.settle();
    const zombie = world.worker;
    world.says('SHOP', 'A', { name: 'Stool', stock: 1 });
    world.newWorker();
    await world.settle();
    world.worker = zombie;
    world.says('SHOP', 'A', { name: 'Table', stock: 1 });
    await world.deliver();
    await expect(world.deliver()).rejects.toMatchObject({ code: 'lease.lost' });
  });
});
