import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EntityId } from '../change-event.ts';
import type { BindRequest, BindResult } from '../ports/identity-store.ts';
import { orderOf, positionOf } from '../position.ts';
import { type Binding, recordNameOf } from './binding.ts';
import { BookPages } from './book-pages.ts';
import { IdentityBook } from './identity-book.ts';

const kind = 'product';
const named = (name: string) => `${kind}:${name}` as EntityId;
const record = fc.record({ source: fc.constantFrom('a', 'b', 'c'), key: fc.constantFrom('1', '2') });
const sku = fc.constantFrom('sku=X', 'sku=Y', 'sku=Z');
const ean = fc.constantFrom('ean=4', 'ean=5');

type Deed =
  | { readonly does: 'change'; readonly matchKeys: readonly string[] | null; readonly late: boolean }
  | { readonly does: 'relink'; readonly to: number }
  | { readonly does: 'split' }
  | { readonly does: 'land' };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant('change' as const),
      matchKeys: fc.option(
        fc.tuple(fc.option(sku), fc.option(ean)).map((keys) => keys.filter((key) => key !== null)),
        { freq: 8 },
      ),
      late: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('relink' as const), to: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ does: 'split' as const }) },
  { weight: 3, arbitrary: fc.constant({ does: 'land' as const }) },
);
const history = fc.array(fc.tuple(record, deed), { minLength: 1, maxLength: 40 });

interface Told {
  readonly request: BindRequest;
  readonly result: BindResult;
}

/** Tells a book a history, each record's deeds at rising offsets of its own. */
function tell(deeds: readonly (readonly [{ source: string; key: string }, Deed])[]): { pages: BookPages; told: Told[] } {
  const pages = new BookPages();
  const book = new IdentityBook(pages);
  const offsets = new Map<string, number>();
  const told: Told[] = [];
  deeds.forEach(([{ source, key }, what], index) => {
    const name = `${source}/${key}`;
    const offset = (offsets.get(name) ?? 0) + 1;
    const binding = pages.bindingOf({ source, kind, key });
    const request = requestOf({ source, kind, key, offset }, what, index, binding, pages);
    if (request === undefined) return;
    offsets.set(name, offset);
    told.push({ request, result: book.bind(request) });
  });
  return { pages, told };
}

function requestOf(
  place: { readonly source: string; readonly kind: string; readonly key: string; readonly offset: number },
  what: Deed,
  index: number,
  binding: Binding | undefined,
  pages: BookPages,
): BindRequest | undefined {
  const order = { reason: 'link', by: 'Ann', eventId: '01a1fca6-862b-8f36-bca4-7e1bcec98a41' } as const;
  switch (what.does) {
    case 'change': {
      const own = named(`/${place.source}/${place.key}`);
      const names = what.matchKeys?.[0] === undefined ? [own] : [named(what.matchKeys[0]), own];
      const at = what.late ? Math.max(0, index - 6) : index + 10;
      const position = positionOf(1, orderOf(at));
      return { ...place, type: 'change', position, matchKeys: what.matchKeys, names, ordered: true };
    }
    case 'relink': {
      const entities = [...new Set(pages.bindings().map(({ entityId }) => entityId))];
      return entities.length === 0 ? undefined : { ...place, ...order, type: 'relink', to: entities[what.to % entities.length]! };
    }
    case 'split':
      return { ...place, ...order, type: 'relink', to: named(`split-${index}`), reason: 'split' };
    case 'land': {
      const movedAt = binding?.awaiting[0];
      return movedAt === undefined ? undefined : { ...place, type: 'rejoin', movedAt };
    }
  }
}

/** What decides where a record is sent: whether its past has come may be told otherwise later. */
function verdictOf(result: BindResult): unknown {
  return result.kind === 'bound' ? { ...result, inTransit: undefined } : result;
}

test('whatever came since, a record that is asked about again is told what it was told', () => {
  fc.assert(
    fc.property(history, fc.array(fc.nat(100), { maxLength: 10 }), (deeds, again) => {
      const { pages, told } = tell(deeds);
      const book = new IdentityBook(pages);
      for (const which of again.length === 0 ? told.keys() : again) {
        const { request, result } = told[which % Math.max(told.length, 1)] ?? {};
        if (request !== undefined) expect(verdictOf(book.bind(request))).toEqual(verdictOf(result!));
      }
    }),
    { numRuns: 3_000 },
  );
});

test('of one source at most one living record stands under an entity, and it speaks last', () => {
  fc.assert(
    fc.property(history, (deeds) => {
      const { pages } = tell(deeds);
      const ofOne = Map.groupBy(pages.bindings(), ({ entityId, source }) => `${entityId} ${source}`);
      for (const [place, bindings] of ofOne) {
        const living = bindings.filter(({ gone }) => !gone);
        expect(living.length, place).toBeLessThanOrEqual(1);
        expect(new Set(bindings.map(({ tenure }) => tenure)).size, place).toBe(bindings.length);
        for (const { tenure } of living) expect(tenure).toBe(Math.max(...bindings.map((binding) => binding.tenure)));
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a match key finds no entity but one of which a record has it', () => {
  fc.assert(
    fc.property(history, (deeds) => {
      const { pages } = tell(deeds);
      const all = pages.bindings();
      for (const matchKey of ['sku=X', 'sku=Y', 'sku=Z', 'ean=4', 'ean=5']) {
        const holder = pages.holderOf(kind, matchKey);
        const having = all.filter(({ matchKeys }) => matchKeys?.includes(matchKey));
        if (holder !== undefined)
          expect(
            having.some(({ entityId }) => entityId === holder),
            matchKey,
          ).toBe(true);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('records that nobody moves by hand stand where their most trusted match key leads', () => {
  fc.assert(
    fc.property(history, (deeds) => {
      const { pages } = tell(deeds.filter(([, { does }]) => does === 'change' || does === 'land'));
      for (const binding of pages.bindings()) {
        const [first] = binding.matchKeys ?? [];
        if (first === undefined || binding.contested || binding.gone || !first.startsWith('sku')) continue;
        expect(pages.holderOf(kind, first), recordNameOf(binding).replaceAll('\0', ' ')).toBe(binding.entityId);
      }
    }),
    { numRuns: 3_000 },
  );
});
