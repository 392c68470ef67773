import { beforeEach, expect, test } from 'vitest';
import { SyncError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { type TargetChange, TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import type { Planned, TableKey, TableRows } from './table-batch.ts';
import type { TableDeclaration } from './table-declaration.ts';
import { type TableDialect, TableTarget } from './table-target.ts';

/** A database in memory, with failures as a test orders them. */
class FakeDatabase implements TableDialect<string, TableKey, null>, TableRows<TableKey> {
  readonly repeatsMax = 3;
  keysAtOnce = 10;
  readonly rows = new Map<string, TargetRow>();
  transactions = 0;
  /** What each of the next transactions is answered. */
  readonly failures: Error[] = [];
  isForgetful = false;

  async find(_session: null, { table }: TableDeclaration): Promise<string> {
    return table;
  }
  nameOf(table: string): string {
    return table;
  }
  keyFrom(_table: string, columns: JsonObject): TableKey {
    return { columns };
  }
  rowsOf(): this {
    return this;
  }
  reading<T>(work: (session: null) => Promise<T>): Promise<T> {
    this.transactions++;
    return work(null);
  }
  async writing<T>(work: (session: null) => Promise<T>): Promise<T> {
    this.transactions++;
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    return work(null);
  }
  isInTheWay(error: unknown): boolean {
    return (error as Error).message === 'deadlock';
  }
  tell(error: unknown, table: string | null): Error {
    if (error instanceof TargetRejected) return error;
    return new SyncError('target.unavailable', `${table}: ${(error as Error).message}`);
  }
  async under(keys: readonly TableKey[]): Promise<Map<number, TargetRow>> {
    const found = new Map<number, TargetRow>();
    for (const [at, { columns }] of keys.entries()) {
      if (columns.id === 'x') throw new TargetRejected('x is no number');
      const row = this.rows.get(String(columns.id));
      if (row !== undefined) found.set(at, row);
    }
    return found;
  }
  async behind(after: JsonObject | null, limit: number) {
    const ids = [...this.rows.keys()].filter((id) => after === null || id > String(after.id)).slice(0, limit);
    return { rows: ids.map((id) => this.rows.get(id)!), end: ids.length === 0 ? null : { id: ids.at(-1)! } };
  }
  async insert(planned: readonly Planned<TableKey>[]): Promise<void> {
    for (const { doc } of planned) if (!this.isForgetful) this.rows.set(String(doc.id), doc);
  }
  update = this.insert;
  async delete(keys: readonly TableKey[]): Promise<void> {
    for (const { columns } of keys) this.rows.delete(String(columns.id));
  }
  async savepoint(): Promise<void> {}
  async close(): Promise<void> {}
}

let database: FakeDatabase;
let target: TableTarget<string, TableKey, null>;
const write = (id: string): TargetChange => ({ key: id, decide: () => ({ kind: 'write', row: { id, n: 1 } }) });

beforeEach(async () => {
  database = new FakeDatabase();
  target = new TableTarget(database, [
    { kind: 'item', table: 'items', key: ['id'], deletes: true, columns: undefined },
    { kind: 'pair', table: 'pairs', key: ['left', 'right'], deletes: true, columns: undefined },
  ]);
  await target.open();
  database.transactions = 0;
});

test('where others are in the way the same is tried again, but not for ever', async () => {
  const deadlock = () => new Error('deadlock');
  database.failures.push(deadlock(), deadlock());
  expect(await target.write('item', [write('1')])).toMatchObject([{ kind: 'written', returned: { id: '1' } }]);
  database.failures.push(deadlock(), deadlock(), deadlock());
  await expect(target.write('item', [write('1')])).rejects.toMatchObject({
    code: 'target.unavailable',
    message: 'items: deadlock',
  });
  database.failures.push(new Error('out'));
  database.transactions = 0;
  await expect(target.write('item', [write('1')])).rejects.toThrow('items: out');
  expect(database.transactions).toBe(1);
});

test('a row that never stays under its key is a fault of the row', async () => {
  database.isForgetful = true;
  const rejected = target.write('item', [write('1')]);
  await expect(rejected).rejects.toBeInstanceOf(TargetRejected);
  await expect(rejected).rejects.toThrow('items does not keep a row under its key');
  expect(database.transactions).toBe(5);
});

test('a key that has other parts than the table is refused before anything is asked', async () => {
  await expect(target.write('pair', [write('1/2'), write('1')])).rejects.toThrow('1 is no key of pairs (left, right)');
  expect(database.transactions).toBe(0);
});

test('a key that no row can have hides no other, however many are asked for at once', async () => {
  for (const id of ['1', '2', '3', '4']) database.rows.set(id, { id });
  for (const keysAtOnce of [1, 2, 10]) {
    database.keysAtOnce = keysAtOnce;
    const found = await target.readKeys('item', ['1', 'x', '3', '9', '4', 'x']);
    expect(found.map(({ key, row }) => [key, row.id])).toEqual(['1', '3', '4'].map((key) => [key, key]));
  }
});

test('a range names the place of the next one only where there may be one, and leaves out rows without a key', async () => {
  for (const [id, row] of Object.entries({ 1: { id: '1' }, 2: { id: null }, 3: { id: '3' } })) database.rows.set(id, row);
  expect(await target.readRange('item', null, 2)).toEqual({ rows: [{ key: '1', row: { id: '1' } }], next: { id: '2' } });
  expect(await target.readRange('item', { id: '2' }, 2)).toEqual({ rows: [{ key: '3', row: { id: '3' } }], next: null });
});
