import { expect, test } from 'vitest';
import { SyncError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { KeyBound, TableRow } from '../../core/ports/table-reader.ts';
import { MemoryTable } from '../../tests/memory-table.ts';
import { underKeys } from './key-groups.ts';
import { TableSystem } from './table-system.ts';

const selection = { table: 'product', key: [], columns: undefined, watermark: null };

function systemOf(reader: MemoryTable): TableSystem {
  return new TableSystem(new Map([['product', { reader, selection }]]));
}

/** Told instead of the row, as a reader tells it. */
function tells(table: MemoryTable, id: string, text: string): void {
  const replaced = (rows: readonly TableRow[]) => rows.map((row) => (row.bound[0] === id ? { ...row, text } : row));
  const [rows, rowsUnder] = [table.rows.bind(table), table.rowsUnder.bind(table)];
  table.rows = async (...asked) => replaced(await rows(...asked));
  table.rowsUnder = async (...asked) => replaced(await rowsUnder(...asked));
}

test('a row that cannot be told is met with its reason, and one without a key is not met at all', async () => {
  const table = new MemoryTable();
  for (const id of ['a', 'b', 'c']) table.put(id, 1);
  tells(table, 'a', `{"id":"a","value":${'['.repeat(2_000)}${']'.repeat(2_000)}}`);
  tells(table, 'b', '{"id":null,"value":1}');
  const system = systemOf(table);
  await system.open();
  const met = await system.readRange('product', null, 10);
  expect(met.rows.map(({ key, fault }) => [key, fault?.code])).toEqual([
    ['a', 'record.too-deep'],
    ['c', undefined],
  ]);
  const found = await system.readKeys('product', ['a', 'b', 'c']);
  expect(found.map(({ key, fault }) => [key, fault?.code])).toEqual(met.rows.map(({ key, fault }) => [key, fault?.code]));
});

test('rows so large that few fit into the memory are asked for few at a time, and each is met', async () => {
  const table = new MemoryTable();
  for (let n = 0; n < 260; n++) table.put(`k${n}`, n);
  const limits: number[] = [];
  const rows = table.rows.bind(table);
  table.rows = async (shape, range, limit, columns) => {
    limits.push(limit);
    const large = (row: TableRow) => ({ ...row, text: `${row.text.slice(0, -1)},"x":"${'x'.repeat(400_000)}"}` });
    return (await rows(shape, range, limit, columns)).map(large);
  };
  const system = systemOf(table);
  const keys: string[] = [];
  for (let after: JsonObject | null = null; ; ) {
    const { rows: page, next } = await system.readRange('product', after, 500);
    keys.push(...page.map(({ key }) => key));
    if (next === null) break;
    after = next;
  }
  expect(new Set(keys).size).toBe(260);
  expect(keys).toHaveLength(260);
  expect(limits[0]).toBe(100);
  expect(Math.max(...limits.slice(1))).toBeLessThan(25);
});

test('a row that the database holds for the same under another spelling of its key is another row', async () => {
  const table = new MemoryTable();
  table.put('Lamp', 1);
  table.rowsUnder = async (shape) => table.rows(shape, { after: null, upTo: null }, 1, 'all');
  expect(await systemOf(table).readKeys('product', ['lamp'])).toEqual([]);
});

test('keys that no row could have cost the others nothing', async () => {
  const asked: number[] = [];
  const ask = async (keys: readonly KeyBound[]) => {
    asked.push(keys.length);
    if (keys.some(([key]) => key === 'x')) throw new SyncError('source.unavailable', 'no number');
    return keys.map(([key]) => key!);
  };
  const keys = ['1', '2', 'x', '3', 'x', '4', '5'].map((key) => [key]);
  expect(await underKeys(keys, ask, () => true)).toEqual(['1', '2', '3', '4', '5']);
  await expect(underKeys(keys, ask, () => false)).rejects.toThrow('no number');
  asked.length = 0;
  expect(await underKeys([], ask, () => true)).toEqual([]);
  expect(asked).toEqual([]);
});
