import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryClock } from '../../adapters/memory/clock.ts';
import type { SourceChunk, SourceMark, StreamNote, StreamNotes } from '../../core/ports/source-connector.ts';
import { MemoryTable } from '../../tests/memory-table.ts';
import { TableStream } from './table-stream.ts';

const runs = Number(process.env.FC_RUNS ?? 150);

/** What happens between two chunks. */
type Deed =
  | { readonly kind: 'put'; readonly id: number; readonly value: number }
  | { readonly kind: 'remove'; readonly id: number }
  | { readonly kind: 'crash'; readonly sent: boolean }
  | { readonly kind: 'go' };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), id: fc.nat(60), value: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), id: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), sent: fc.boolean() }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'go' as const }) },
);

interface Told {
  readonly position: string;
  readonly value: unknown;
}

/** As a worker does it: one chunk ahead, what was sent is there for ever, what was not stored is forgotten in a crash. */
class Reader {
  readonly table = new MemoryTable();
  readonly told = new Map<string, Told[]>();
  readonly notes = new Map<string, StreamNote>();
  readonly clock = new MemoryClock();
  readonly #mode: 'compare' | 'timestamp';
  #mark: SourceMark | null = null;
  #chunks: AsyncIterator<SourceChunk> | undefined;
  #next: Promise<IteratorResult<SourceChunk>> | undefined;
  passes = 0;

  readonly #compareKeysEveryMs: number;

  constructor(mode: 'compare' | 'timestamp', compareKeysEveryMs = 1) {
    this.#mode = mode;
    this.#compareKeysEveryMs = compareKeysEveryMs;
  }

  async step(fate: 'lives' | 'dies-unsent' | 'dies-sent' = 'lives'): Promise<void> {
    this.#chunks ??= this.#open();
    const chunk = (await (this.#next ?? this.#chunks.next())).value as SourceChunk;
    const ahead = chunk.phase !== 'waiting';
    this.#next = ahead ? this.#chunks.next() : undefined;
    if (fate !== 'dies-unsent') {
      for (const { key, order, data } of chunk.changes)
        this.told.set(key, [...(this.told.get(key) ?? []), { position: order, value: data === null ? null : data.value }]);
    }
    if (fate !== 'lives') {
      await this.#next;
      this.#chunks = undefined;
      this.#next = undefined;
      return;
    }
    this.#mark = structuredClone(chunk.mark);
    for (const name of chunk.notes?.remove ?? []) this.notes.delete(name);
    for (const note of chunk.notes?.put ?? []) this.notes.set(note.name, note);
    if (chunk.phase === 'waiting') this.passes++;
    this.clock.advance(1);
  }

  async rest(): Promise<void> {
    // The watermark's overlap ends, and the keys are compared.
    for (let quiet = this.passes + 4 + this.#compareKeysEveryMs; this.passes < quiet; ) await this.step();
  }

  standing(): Record<string, unknown> {
    const newest = [...this.told].map(([key, of]) => [
      key,
      of.reduce((one, two) => (two.position > one.position ? two : one)).value,
    ]);
    return Object.fromEntries(newest.filter(([, value]) => value !== null));
  }

  #open(): AsyncIterator<SourceChunk> {
    const stream = new TableStream({
      kind: 'product',
      selection: { table: 'product', key: [], columns: undefined, watermark: this.#mode === 'timestamp' ? 'w' : null },
      mode: this.#mode,
      schedule: { kind: 'every', intervalMs: 0 },
      occurredAt: undefined,
      overlapMs: 3,
      compareKeysEveryMs: this.#compareKeysEveryMs,
      onSchemaChange: 'adapt',
      batchRowsMax: 5,
      reader: this.table,
      clock: this.clock,
    });
    const notes: StreamNotes = {
      heads: async (after, limit) =>
        [...this.notes.values()]
          .filter(({ name }) => name > after)
          .sort((one, two) => (one.name < two.name ? -1 : 1))
          .slice(0, limit),
      body: async (name) => this.notes.get(name)?.body ?? null,
    };
    return stream.read({ mark: this.#mark, notes }, new AbortController().signal)[Symbol.asyncIterator]();
  }
}

test.each([
  ['compare', 1],
  ['timestamp', 1],
  ['timestamp', 20],
] as const)(
  'mode %s: whatever happens between two chunks, what is told in the end is what stands in the table (keys every %i ms)',
  async (mode, compareKeysEveryMs) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(60), { maxLength: 60 }), fc.array(deed, { maxLength: 120 }), async (first, deeds) => {
        const reader = new Reader(mode, compareKeysEveryMs);
        for (const id of first) reader.table.put(`p${id}`, 0);
        for (const what of deeds) {
          if (what.kind === 'put') reader.table.put(`p${what.id}`, what.value);
          else if (what.kind === 'remove') reader.table.remove(`p${what.id}`);
          else if (what.kind === 'crash') await reader.step(what.sent ? 'dies-sent' : 'dies-unsent');
          else await reader.step();
        }
        await reader.rest();
        const standing = Object.fromEntries([...reader.table.rowsById].map(([id, { value }]) => [id, value]));
        expect(reader.standing()).toEqual(standing);
        expect([...reader.notes.keys()].filter((name) => name.startsWith('~'))).toEqual([]);
        for (const [key, of] of reader.told) {
          const positions = of.map(({ position }) => position);
          expect([key, positions]).toEqual([key, [...positions].sort()]);
        }
      }),
      { numRuns: runs },
    );
  },
  120_000,
);

test('a scan of what did not change tells nothing, stores nothing, and asks once a chunk', async () => {
  const reader = new Reader('compare');
  for (let id = 0; id < 100; id++) reader.table.put(`p${id}`, id);
  while (reader.passes < 1) await reader.step();
  const [told, notes] = [reader.told.size, [...reader.notes.keys()].sort()];
  expect([told, notes.length]).toEqual([100, 25]);
  reader.table.questions = 0;
  while (reader.passes < 2) await reader.step();
  expect([...reader.told.values()].every((of) => of.length === 1)).toBe(true);
  expect([...reader.notes.keys()].sort()).toEqual(notes);
  expect(reader.table.questions).toBe(26);
});

test('chunks that shrink become one, and chunks that grow are split', async () => {
  const reader = new Reader('compare');
  for (let id = 0; id < 100; id++) reader.table.put(`p${id}`, id);
  while (reader.passes < 1) await reader.step();
  for (let id = 0; id < 100; id++) if (id % 20 !== 0) reader.table.remove(`p${id}`);
  while (reader.passes < 4) await reader.step();
  expect(reader.notes.size).toBeLessThan(5);
  for (let id = 0; id < 200; id++) reader.table.put(`p${id}`, id);
  while (reader.passes < 6) await reader.step();
  const rows = [...reader.notes.values()].map(({ head }) => head.rows as number);
  expect(rows.reduce((sum, each) => sum + each, 0)).toBe(200);
  expect(Math.max(...rows)).toBeLessThanOrEqual(5);
});

test('a row that is committed late, or with a watermark that others have, is told as long as the overlap lasts', async () => {
  const reader = new Reader('timestamp', 1_000_000);
  reader.table.put('a', 1, 100);
  reader.table.put('b', 1, 100);
  while (reader.passes < 1) await reader.step();
  reader.table.put('c', 1, 101);
  while (reader.passes < 2) await reader.step();
  reader.table.put('late', 1, 99);
  reader.table.put('A', 1, 101);
  reader.table.put('b', 2, 101);
  while (reader.passes < 4) await reader.step();
  expect(reader.standing()).toEqual({ a: 1, b: 2, c: 1, late: 1, A: 1 });
});

test('a row that changes twice while the risen ones are read is told as it was last', async () => {
  const reader = new Reader('timestamp', 1_000_000);
  reader.table.put('a', 0);
  while (reader.passes < 2) await reader.step();
  for (let id = 0; id < 12; id++) reader.table.put(`p${id}`, 1);
  while (!reader.told.has('p0')) await reader.step();
  reader.table.put('p0', 2);
  while (reader.passes < 3) await reader.step();
  expect(reader.standing()).toMatchObject({ p0: 2, p11: 1 });
});

test('a row that is told and gone before the keys are compared is told as deleted then', async () => {
  const reader = new Reader('timestamp', 50);
  reader.table.put('a', 0);
  while (reader.passes < 60) await reader.step();
  reader.table.put('b', 1);
  while (!reader.told.has('b')) await reader.step();
  reader.table.put('b', 2);
  for (let quiet = reader.passes + 3; reader.passes < quiet; ) await reader.step();
  expect(reader.standing()).toEqual({ a: 0, b: 2 });
  reader.table.remove('b');
  for (let quiet = reader.passes + 60; reader.passes < quiet; ) await reader.step();
  expect(reader.standing()).toEqual({ a: 0 });
});

test.each(['compare', 'timestamp'] as const)(
  'mode %s: a row that a process sent before it died, and that is gone before the next one looks, is told as deleted',
  async (mode) => {
    let reader = new Reader(mode);
    for (let stored = 0; !reader.told.has('a'); stored++) {
      reader = new Reader(mode);
      reader.table.put('a', 0);
      for (let chunk = 0; chunk < stored; chunk++) await reader.step();
      await reader.step('dies-sent');
    }
    reader.table.remove('a');
    await reader.rest();
    expect(reader.standing()).toEqual({});
  },
);

test('rows that change are told without a note beside those of the scan', async () => {
  const reader = new Reader('compare');
  for (let id = 0; id < 20; id++) reader.table.put(`p${id}`, 0);
  while (reader.passes < 2) await reader.step();
  for (let id = 0; id < 20; id++) reader.table.put(`p${id}`, 1);
  for (let quiet = reader.passes + 2; reader.passes < quiet; ) {
    await reader.step();
    expect([...reader.notes.keys()].filter((name) => name.startsWith('~'))).toEqual([]);
  }
  expect(reader.standing().p7).toBe(1);
});
