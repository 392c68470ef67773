import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryClock } from '../adapters/memory/clock.ts';
import type { SourceChange, SourceChunk, SourceStream } from '../core/ports/source-connector.ts';
import { type SourceFigures, SourceStatistics } from './source-statistics.ts';

const everyMs = 60_000;
const change: SourceChange = { kind: 'product', key: '1', operation: 'update', order: '1', occurredAtMs: 0, data: { id: 1 } };
const notes = { heads: async () => [], body: async () => null };

let clock: MemoryClock;
let figures: SourceFigures[];
let remembered: string[];
let queue: () => Promise<number>;
let statistics: SourceStatistics;

beforeEach(() => {
  clock = new MemoryClock(0);
  figures = [];
  remembered = [];
  queue = async () => 7;
  statistics = new SourceStatistics({
    source: 'erp',
    everyMs,
    clock,
    queueLength: () => queue(),
    remember: async (instant) => {
      remembered.push(instant);
    },
    report: (told) => figures.push(told),
  });
});
afterEach(() => statistics.stop());

function chunk(changes: number, phase: SourceChunk['phase'] = 'changes'): SourceChunk {
  return { changes: Array.from({ length: changes }, () => change), mark: {}, phase };
}

/** Read to its end, each chunk settled before the next. */
async function read(name: string, chunks: readonly SourceChunk[], reading = new AbortController()): Promise<number> {
  const stream: SourceStream = {
    name,
    kinds: ['product'],
    check: async () => ({ found: [], problem: null }),
    async *read() {
      yield* chunks;
    },
  };
  const [watched] = statistics.watch({ streams: [stream], close: async () => undefined }).streams;
  let met = 0;
  for await (const { changes } of watched!.read({ mark: null, notes }, reading.signal)) {
    met += changes.length;
    await watched!.acknowledge!({});
  }
  return met;
}

/** What is told when the time has come. */
async function figuresAfter(ms: number): Promise<SourceFigures | undefined> {
  const before = figures.length;
  clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
  return figures.length > before ? figures.at(-1) : undefined;
}

test('rows per second, lag, queue length and the last position stored are told at the interval, and anew each time', async () => {
  statistics.start();
  expect(await read('product', [chunk(100), chunk(20), chunk(0, 'waiting')])).toBe(120);
  expect(await figuresAfter(everyMs - 1)).toBeUndefined();
  expect(await figuresAfter(1)).toEqual({
    source: 'erp',
    rowsPerSecond: 2,
    lagMs: 0,
    queueLength: 7,
    lastSync: '1970-01-01T00:00:00.000Z',
  });
  expect(await figuresAfter(everyMs)).toMatchObject({ rowsPerSecond: 0, lagMs: 0 });
});

test('the lag is that of the stream that is furthest behind, of those that are read here', async () => {
  statistics.start();
  await read('kept-up', [chunk(1), chunk(0, 'waiting')]);
  const elsewhere = new AbortController();
  elsewhere.abort();
  await read('elsewhere', [chunk(1)], elsewhere);
  expect(await figuresAfter(everyMs)).toMatchObject({ lagMs: 0 });
  await read('behind', [chunk(1)]);
  expect(await figuresAfter(everyMs)).toMatchObject({ lagMs: everyMs });
  expect(await figuresAfter(everyMs)).toMatchObject({ lagMs: 2 * everyMs });
});

test('figures that cannot be had stop neither the reading nor the figures after them', async () => {
  statistics.start();
  queue = async () => {
    throw new Error('Kafka is out');
  };
  expect(await read('product', [chunk(3)])).toBe(3);
  expect(await figuresAfter(everyMs)).toMatchObject({ queueLength: null, queueReason: 'Kafka is out' });
  figures.push = () => {
    throw new Error('the log is full');
  };
  await figuresAfter(everyMs);
  expect(await read('product', [chunk(2)])).toBe(2);
  figures = [];
  expect(await figuresAfter(everyMs)).toMatchObject({ source: 'erp' });
});

test('when a position was stored is kept at most once a second, and a store that fails is not waited for', async () => {
  await read('product', [chunk(1), chunk(1), chunk(1)]);
  clock.advance(999);
  await read('product', [chunk(1)]);
  expect(remembered).toEqual(['1970-01-01T00:00:00.000Z']);
  clock.advance(1);
  await read('product', [chunk(1)]);
  expect(remembered).toEqual(['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:01.000Z']);
  remembered.push = () => {
    throw new Error('Redis is out');
  };
  clock.advance(1_000);
  expect(await read('product', [chunk(1)])).toBe(1);
});
