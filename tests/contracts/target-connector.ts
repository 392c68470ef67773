import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TargetChange, type TargetConnector, TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';

/**
 * A target of the test's own, opened, for the kind `product`: rows of `sku` (the key), `label` (which the target writes in
 * capitals), `stock` (never below 0) and `note`.
 */
export interface TargetConnectorHarness {
  readonly connector: TargetConnector;
  /** As the system's own users do it; null deletes. */
  put(key: string, row: TargetRow | null): Promise<void>;
  at(key: string): Promise<TargetRow | null>;
  close(): Promise<void>;
}

const kind = 'product';

function put(key: string, row: TargetRow): TargetChange {
  return { key, decide: () => ({ kind: 'write', row }) };
}

export function describeTargetConnector(name: string, open: () => Promise<TargetConnectorHarness>): void {
  describe(`${name} as a target`, () => {
    let harness: TargetConnectorHarness;
    let connector: TargetConnector;

    beforeEach(async () => {
      harness = await open();
      connector = harness.connector;
    });
    afterEach(() => harness.close());

    it('one batch inserts what is missing, updates what is there and deletes', async () => {
      await harness.put('B', { label: 'old', stock: 1 });
      await harness.put('C', { label: 'gone', stock: 2 });
      const results = await connector.write(kind, [
        put('A', { sku: 'A', label: 'new', stock: 5 }),
        put('B', { sku: 'B', label: 'newer', stock: 6 }),
        { key: 'C', decide: () => ({ kind: 'delete' }) },
      ]);
      expect(results.map((result) => result.kind)).toEqual(['written', 'written', 'written']);
      expect(results[0]).toMatchObject({ replaced: null, returned: { sku: 'A', stock: 5 } });
      expect(results[1]).toMatchObject({ replaced: { label: 'OLD', stock: 1 }, returned: { label: 'NEWER', stock: 6 } });
      expect(results[2]).toMatchObject({ replaced: { sku: 'C' }, returned: null });
      expect(await harness.at('A')).toMatchObject({ label: 'NEW', stock: 5 });
      expect(await harness.at('B')).toMatchObject({ label: 'NEWER', stock: 6 });
      expect(await harness.at('C')).toBeNull();
    });

    it('what the target makes of a row is what is told', async () => {
      const [result] = await connector.write(kind, [put('A', { sku: 'A', label: 'mixed Case', stock: 1 })]);
      expect(result).toMatchObject({ kind: 'written', returned: { label: 'MIXED CASE' } });
    });

    it('the decision is made on what stands there', async () => {
      await harness.put('A', { label: 'X', stock: 3 });
      const seen: (TargetRow | null)[] = [];
      const leave = (key: string): TargetChange => ({
        key,
        decide(found) {
          seen.push(found);
          return { kind: 'leave' };
        },
      });
      const results = await connector.write(kind, [leave('A'), leave('B')]);
      expect(seen[0]).toMatchObject({ sku: 'A', stock: 3 });
      expect(seen[1]).toBeNull();
      expect(results).toMatchObject([
        { kind: 'left', found: { label: 'X' } },
        { kind: 'left', found: null },
      ]);
      expect(await harness.at('A')).toMatchObject({ label: 'X', stock: 3 });
    });

    it('a row at fault is told, and nothing of its batch stands', async () => {
      await harness.put('B', { label: 'old', stock: 1 });
      const batch = [put('A', { sku: 'A', label: 'a', stock: 1 }), put('B', { sku: 'B', label: 'b', stock: -1 })];
      await expect(connector.write(kind, batch)).rejects.toBeInstanceOf(TargetRejected);
      expect(await harness.at('A')).toBeNull();
      expect(await harness.at('B')).toMatchObject({ label: 'OLD', stock: 1 });
      expect((await connector.write(kind, batch.slice(0, 1)))[0]).toMatchObject({ kind: 'written' });
    });

    it('a field that is not spoken of stays as it is', async () => {
      await harness.put('A', { label: 'x', stock: 1, note: 'theirs' });
      await harness.put('B', { label: 'x', stock: 1, note: 'theirs too' });
      await connector.write(kind, [put('A', { sku: 'A', stock: 2 }), put('B', { sku: 'B', note: null })]);
      expect(await harness.at('A')).toMatchObject({ label: 'X', stock: 2, note: 'theirs' });
      expect(await harness.at('B')).toMatchObject({ stock: 1, note: null });
    });

    it('a probe stands only where the target makes of it what it holds', async () => {
      await harness.put('A', { label: 'HELD', stock: 1, note: null });
      await harness.put('B', { label: 'OTHER', stock: 1, note: null });
      const probe = (key: string): TargetChange => ({
        key,
        decide: () => ({ kind: 'probe', row: { sku: key, label: 'held', stock: 1, note: null } }),
      });
      const results = await connector.write(kind, [probe('A'), probe('B'), put('C', { sku: 'C', label: 'c', stock: 1 })]);
      expect(results).toMatchObject([{ kind: 'written', returned: { label: 'HELD' } }, { kind: 'left' }, { kind: 'written' }]);
      expect(await harness.at('B')).toMatchObject({ label: 'OTHER' });
      expect(await harness.at('C')).toMatchObject({ label: 'C' });
    });

    it('nobody changes a row between the decision and the write', async () => {
      await harness.put('A', { label: 'x', stock: 0 });
      const sale: TargetChange = {
        key: 'A',
        decide: (found) => ({ kind: 'write', row: { sku: 'A', stock: (found?.stock as number) + 1 } }),
      };
      await Promise.all(Array.from({ length: 12 }, () => connector.write(kind, [sale])));
      expect(await harness.at('A')).toMatchObject({ stock: 12 });
    });

    it('two that insert one key at once do not overwrite each other', async () => {
      const first: TargetChange = {
        key: 'N',
        decide: (found) => (found === null ? { kind: 'write', row: { sku: 'N', label: 'n', stock: 1 } } : { kind: 'leave' }),
      };
      const results = (await Promise.all(Array.from({ length: 8 }, () => connector.write(kind, [first])))).flat();
      expect(results.filter((result) => result.kind === 'written')).toHaveLength(1);
    });

    it('the key of a row is told, and that it has none', () => {
      expect(connector.keyOf(kind, { sku: 'A', stock: 1 })).toBe('A');
      expect(connector.keyOf(kind, { stock: 1 })).toBeUndefined();
    });
  });
}
