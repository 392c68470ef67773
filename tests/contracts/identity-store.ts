import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EntityId } from '../../core/change-event.ts';
import type { BindRequest, IdentityStore } from '../../core/ports/identity-store.ts';

/** Empty tables of the test's own. */
export interface IdentityStoreHarness {
  readonly store: IdentityStore;
  close(): Promise<void>;
}

function request(source: string, key: string, matchKeys: readonly string[], name = matchKeys[0] ?? key): BindRequest {
  return { source, kind: 'product', key, matchKeys, firstName: `product:${name}` as EntityId };
}

function bound(name: string) {
  return { kind: 'bound', entityId: `product:${name}` };
}

export function describeIdentityStore(name: string, open: () => Promise<IdentityStoreHarness>): void {
  describe(`${name} as an identity store`, () => {
    let harness: IdentityStoreHarness;
    let store: IdentityStore;

    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(() => harness.close());

    it('an unknown record gets its first name', async () => {
      expect(await store.bind([request('a', '1', ['sku=X'])])).toEqual([bound('sku=X')]);
    });

    it('a binding never changes, whatever the match keys become', async () => {
      await store.bind([request('a', '1', ['sku=X'])]);
      await store.bind([request('b', '7', ['sku=Y'])]);
      expect(await store.bind([request('a', '1', ['sku=Y'])])).toEqual([bound('sku=X')]);
    });

    it('a deletion that carries only its key finds the entity', async () => {
      await store.bind([request('a', '1', ['sku=X'])]);
      expect(await store.bind([request('a', '1', [], '/a/1')])).toEqual([bound('sku=X')]);
    });

    it('two sources with one match key are one entity, in the same batch too', async () => {
      expect(await store.bind([request('a', '1', ['sku=X']), request('b', '900', ['sku=X'], 'other')])).toEqual([
        bound('sku=X'),
        bound('sku=X'),
      ]);
      expect(await store.bind([request('c', '5', ['sku=X'], 'other')])).toEqual([bound('sku=X')]);
    });

    it('the first match key that is known decides', async () => {
      await store.bind([request('a', '1', ['sku=X']), request('a', '2', ['ean=4'])]);
      expect(await store.bind([request('b', '9', ['sku=Z', 'ean=4', 'sku=X'])])).toEqual([bound('ean=4')]);
    });

    it('an entity is found by every match key its records came with', async () => {
      await store.bind([request('a', '1', ['sku=X', 'ean=4'])]);
      expect(await store.bind([request('b', '9', ['ean=4'])])).toEqual([bound('sku=X')]);
    });

    it('a second key of one source under the same match key is a conflict that names the first', async () => {
      await store.bind([request('a', '1', ['sku=X'])]);
      expect(await store.bind([request('a', '2', ['sku=X']), request('b', '3', ['sku=X'])])).toEqual([
        { kind: 'conflict', matchKey: 'sku=X', heldBy: '1' },
        bound('sku=X'),
      ]);
    });

    it('what ended in a conflict is not bound', async () => {
      await store.bind([request('a', '1', ['sku=X'])]);
      await store.bind([request('a', '2', ['sku=X'])]);
      expect(await store.bind([request('a', '2', ['sku=Y'])])).toEqual([bound('sku=Y')]);
    });

    it('kinds do not share match keys', async () => {
      await store.bind([request('a', '1', ['sku=X'])]);
      const order: BindRequest = { source: 'a', kind: 'order', key: '2', matchKeys: ['sku=X'], firstName: 'order:2' as EntityId };
      expect(await store.bind([order])).toEqual([{ kind: 'bound', entityId: 'order:2' }]);
    });

    it('binding the same records at the same time gives everyone the same answer', async () => {
      const requests = Array.from({ length: 20 }, (_, i) => request('a', String(i), [`sku=${i}`]));
      const answers = await Promise.all([store.bind(requests), store.bind([...requests].reverse()), store.bind(requests)]);
      const expected = requests.map(({ matchKeys }) => bound(matchKeys[0]!));
      expect(answers).toEqual([expected, [...expected].reverse(), expected]);
    });
  });
}
