import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EntityId } from '../../core/change-event.ts';
import type { BindRequest, BindResult, ChangeRequest, IdentityStore } from '../../core/ports/identity-store.ts';
import { orderOf, positionOf } from '../../core/position.ts';

/** Empty tables of the test's own. */
export interface IdentityStoreHarness {
  readonly store: IdentityStore;
  close(): Promise<void>;
}

const kind = 'product';

function named(name: string): EntityId {
  return `${kind}:${name}` as EntityId;
}

/** The n-th change of a record, at the n-th offset, with these match keys; null: deleted. */
function change(
  source: string,
  key: string,
  n: number,
  matchKeys: readonly string[] | null,
  more: Partial<ChangeRequest> = {},
): ChangeRequest {
  const own = named(`/${source}/${key}`);
  const names = matchKeys?.[0] === undefined ? [own] : [named(matchKeys[0]), own];
  const position = positionOf(1, orderOf(n));
  return { type: 'change', source, kind, key, offset: n, position, matchKeys, names, ordered: true, ...more };
}

function relink(
  source: string,
  key: string,
  offset: number,
  to: string,
  reason: 'link' | 'merge' | 'split' = 'link',
): BindRequest {
  const eventId = '01a1fca6-862b-8f36-bca4-7e1bcec98a41';
  return { type: 'relink', source, kind, key, offset, to: named(to), reason, by: 'Ann', eventId };
}

function rejoin(source: string, key: string, offset: number, movedAt: number): BindRequest {
  return { type: 'rejoin', source, kind, key, offset, movedAt };
}

function bound(name: string, more: { tenure?: number; inTransit?: boolean } = {}): BindResult {
  return { kind: 'bound', entityId: named(name), tenure: 0, inTransit: false, ...more };
}

function moved(from: string, to: string, tenure = 0): unknown {
  return { kind: 'moved', from: named(from), to: named(to), tenure, reason: 'match-key', by: null, eventId: null };
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

    /** Each in a call of its own; the last answer. */
    async function told(...requests: BindRequest[]): Promise<BindResult> {
      let last: BindResult | undefined;
      for (const request of requests) [last] = await store.bind([request]);
      return last!;
    }

    it('an unknown record gets its first name', async () => {
      expect(await told(change('a', '1', 1, ['sku=X']))).toEqual(bound('sku=X'));
    });

    it('an entity keeps its name whatever becomes of the match keys, and the new ones find it', async () => {
      await told(change('a', '1', 1, ['sku=X']));
      expect(await told(change('a', '1', 2, ['sku=Z']))).toEqual(bound('sku=X'));
      expect(await told(change('b', '7', 1, ['sku=Z']))).toEqual(bound('sku=X'));
    });

    it('a match key that no record of the entity has any more is free, and its name is not given again', async () => {
      await told(change('a', '1', 1, ['sku=X']), change('a', '1', 2, ['sku=Z']));
      expect(await told(change('a', '2', 1, ['sku=X']))).toEqual(bound('/a/2'));
    });

    it('a match key that another record of the entity still has goes on to find it', async () => {
      await told(change('a', '1', 1, ['sku=X']), change('b', '1', 1, ['sku=X']), change('a', '1', 2, ['sku=Z']));
      expect(await told(change('c', '5', 1, ['sku=X']))).toEqual(bound('sku=X'));
    });

    it('a deletion that carries only its key finds the entity', async () => {
      await told(change('a', '1', 1, ['sku=X']));
      expect(await told(change('a', '1', 2, null))).toEqual(bound('sku=X'));
    });

    it('two sources with one match key are one entity, in the same batch too', async () => {
      expect(await store.bind([change('a', '1', 1, ['sku=X']), change('b', '900', 1, ['sku=X'])])).toEqual([
        bound('sku=X'),
        bound('sku=X'),
      ]);
      expect(await told(change('c', '5', 1, ['sku=X']))).toEqual(bound('sku=X'));
    });

    it('the first match key that is known decides', async () => {
      await store.bind([change('a', '1', 1, ['sku=X']), change('a', '2', 2, ['ean=4'])]);
      expect(await told(change('b', '9', 1, ['sku=Z', 'ean=4', 'sku=X']))).toEqual(bound('ean=4'));
    });

    it('an entity is found by every match key its records came with', async () => {
      await told(change('a', '1', 1, ['sku=X', 'ean=4']));
      expect(await told(change('b', '9', 1, ['ean=4']))).toEqual(bound('sku=X'));
    });

    it('a second key of one source under the same match key is a conflict that names the first, each time it is asked', async () => {
      await told(change('a', '1', 1, ['sku=X']));
      const conflict = { kind: 'conflict', matchKey: 'sku=X', heldBy: '1' };
      expect(await store.bind([change('a', '2', 2, ['sku=X']), change('b', '3', 1, ['sku=X'])])).toEqual([
        conflict,
        bound('sku=X'),
      ]);
      await told(change('a', '1', 3, null));
      expect(await told(change('a', '2', 2, ['sku=X']))).toEqual(conflict);
    });

    it('what ended in a conflict is not bound', async () => {
      await told(change('a', '1', 1, ['sku=X']), change('a', '2', 2, ['sku=X']));
      expect(await told(change('a', '2', 3, ['sku=Y']))).toEqual(bound('sku=Y'));
    });

    it('kinds do not share match keys', async () => {
      await told(change('a', '1', 1, ['sku=X']));
      const order = { kind: 'order', names: ['order:2' as EntityId] };
      expect(await told(change('a', '2', 2, ['sku=X'], order))).toMatchObject({ kind: 'bound', entityId: 'order:2' });
    });

    it('binding the same records at the same time gives everyone the same answer', async () => {
      const requests = Array.from({ length: 20 }, (_, i) => change('a', String(i), i, [`sku=${i}`]));
      const answers = await Promise.all([store.bind(requests), store.bind([...requests].reverse()), store.bind(requests)]);
      const expected = requests.map(({ matchKeys }) => bound(matchKeys![0]!));
      expect(answers).toEqual([expected, [...expected].reverse(), expected]);
    });

    describe('a record whose match key becomes that of another entity', () => {
      beforeEach(() => told(change('a', '1', 1, ['sku=X', 'ean=4']), change('b', '7', 1, ['sku=Y'])));

      it('moves there at that very offset, however often it is asked and whatever comes later', async () => {
        const move = change('a', '1', 5, ['sku=Y', 'ean=4']);
        expect(await told(move)).toEqual(moved('sku=X', 'sku=Y'));
        expect(await told(change('a', '1', 6, ['sku=Y', 'ean=4']))).toEqual(bound('sku=Y', { inTransit: true }));
        expect(await store.bind([change('a', '1', 4, ['sku=X']), move])).toEqual([
          bound('sku=X', { inTransit: true }),
          moved('sku=X', 'sku=Y'),
        ]);
      });

      it('takes the match keys with it that nobody else has there', async () => {
        await told(change('a', '1', 5, ['sku=Y', 'ean=4']));
        expect(await told(change('c', '9', 1, ['ean=4']))).toEqual(bound('sku=Y'));
        expect(await told(change('c', '8', 2, ['sku=X']))).toEqual(bound('/c/8'));
      });

      it('is on its way until what was known of it has come', async () => {
        await told(change('a', '1', 5, ['sku=Y', 'ean=4']));
        expect(await told(rejoin('a', '1', 6, 5))).toEqual(bound('sku=Y'));
        expect(await told(change('a', '1', 7, ['sku=Y', 'ean=4']))).toEqual(bound('sku=Y'));
      });

      it('stays where a more trusted key that others have too keeps it', async () => {
        await told(change('c', '3', 1, ['sku=X']), change('d', '1', 1, ['ean=9']));
        expect(await told(change('a', '1', 5, ['sku=X', 'ean=9']))).toEqual(bound('sku=X'));
      });

      it('does not move for an older state that comes late', async () => {
        await told(change('a', '1', 5, ['sku=Z', 'ean=4']));
        const late = change('a', '1', 6, ['sku=Y'], { position: positionOf(1, orderOf(3)) });
        expect(await told(late)).toEqual(bound('sku=X'));
      });

      it('is a conflict where its source has another record there, and is judged anew when that is gone', async () => {
        await told(change('a', '2', 2, ['sku=Y']));
        const conflict = { kind: 'conflict', matchKey: 'sku=Y', heldBy: '2' };
        expect(await told(change('a', '1', 5, ['sku=Y']))).toEqual(conflict);
        await told(change('a', '2', 6, null));
        expect(await store.bind([change('a', '1', 5, ['sku=Y']), change('a', '1', 7, ['sku=Y'])])).toEqual([
          conflict,
          moved('sku=X', 'sku=Y'),
        ]);
      });

      it('is not drawn back by a refused change that is replayed after a newer one', async () => {
        await told(change('a', '2', 2, ['sku=Y']), change('a', '1', 5, ['sku=Y']), change('a', '1', 6, ['sku=X', 'ean=4']));
        await told(change('a', '2', 7, null));
        const replay = change('a', '1', 8, ['sku=Y'], { position: positionOf(1, orderOf(5)) });
        expect(await told(replay)).toEqual(bound('sku=X'));
      });

      it('leaves a place that nobody takes before its entity has heard of it', async () => {
        await told(change('c', '3', 1, ['sku=X']), change('a', '1', 5, ['sku=Y']));
        const conflict = { kind: 'conflict', matchKey: 'sku=X', heldBy: '1' };
        expect(await told(change('a', '2', 6, ['sku=X']))).toEqual(conflict);
        await told(rejoin('a', '1', 7, 5));
        expect(await told(change('a', '2', 8, ['sku=X']))).toEqual(bound('sku=X'));
      });
    });

    describe('a record that was deleted at its source', () => {
      beforeEach(() => told(change('a', '1', 1, ['sku=X']), change('b', '7', 1, ['sku=X']), change('a', '1', 2, null)));

      it('makes room for another under the same match key, whose word comes after all of its own', async () => {
        expect(await told(change('a', '2', 3, ['sku=X']))).toEqual(bound('sku=X', { tenure: 1 }));
        expect(await told(change('a', '1', 4, ['sku=X'], { position: positionOf(1, orderOf(1)) }))).toEqual(bound('sku=X'));
      });

      it('comes back to its entity', async () => {
        expect(await told(change('a', '1', 3, ['sku=X']))).toEqual(bound('sku=X'));
      });

      it('finds its place taken when it comes back, until the other is gone in its turn', async () => {
        await told(change('a', '2', 3, ['sku=X']));
        expect(await told(change('a', '1', 4, ['sku=X']))).toEqual({ kind: 'conflict', matchKey: 'sku=X', heldBy: '2' });
        await told(change('a', '2', 5, null));
        expect(await told(change('a', '1', 6, ['sku=X']))).toEqual(bound('sku=X', { tenure: 2 }));
        expect(await told(change('a', '1', 2, null))).toEqual(bound('sku=X'));
      });
    });

    describe('an order to move a record', () => {
      beforeEach(() => told(change('a', '1', 1, ['sku=X']), change('b', '7', 1, ['sku=X']), change('c', '9', 1, ['sku=Y'])));

      it('moves it, once, and says who gave it', async () => {
        const order = relink('b', '7', 5, 'sku=Y');
        const expected = { kind: 'moved', from: named('sku=X'), to: named('sku=Y'), reason: 'link', by: 'Ann' };
        expect(await told(order)).toMatchObject(expected);
        expect(await told(relink('b', '7', 6, 'sku=Y'), order)).toMatchObject(expected);
        expect(await told(relink('b', '7', 6, 'sku=Y'))).toEqual({ kind: 'settled' });
      });

      it('to an entity of its own leaves the match keys that others share, and they do not draw it back', async () => {
        await told(relink('b', '7', 5, '/b/7', 'split'), rejoin('b', '7', 6, 5));
        expect(await told(change('b', '7', 7, ['sku=X']))).toEqual(bound('/b/7'));
        expect(await told(change('d', '1', 1, ['sku=X']))).toEqual(bound('sku=X'));
      });

      it('to where another record of its source lives is a conflict', async () => {
        await told(change('b', '8', 4, ['sku=Y']));
        expect(await told(relink('b', '7', 5, 'sku=Y'))).toMatchObject({ kind: 'conflict', heldBy: '8' });
        expect(await told(change('b', '7', 6, ['sku=X']))).toEqual(bound('sku=X'));
      });

      it('for a deleted record gives it the last place: it never speaks before one that lives', async () => {
        await told(change('b', '8', 4, ['sku=Y']), change('b', '7', 5, null), relink('b', '7', 6, 'sku=Y', 'merge'));
        expect(await told(change('b', '7', 7, null))).toEqual(bound('sku=Y', { tenure: -1, inTransit: true }));
      });

      it('for a record that nobody knows changes nothing', async () => {
        expect(await told(relink('b', '70', 5, 'sku=Y'))).toEqual({ kind: 'settled' });
      });
    });
  });
}
