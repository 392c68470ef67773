import { afterEach, expect, test } from 'vitest';
import { MemorySourceStore } from '../adapters/memory/source-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import { rawHeaders } from '../core/change-event.ts';
import { SyncError } from '../core/errors.ts';
import type { SourceChunk, SourceConnector, SourceMark, SourceResume, SourceStream } from '../core/ports/source-connector.ts';
import { SourceHouse, source } from '../tests/source-world.ts';

const patience = { timeout: 60_000, interval: 20 };
const kind = 'product';
let house: SourceHouse;
afterEach(() => house.close());

/** A stream that says what it is told to say, one thing after the other. */
class ScriptedStream implements SourceStream {
  readonly name: string;
  readonly kinds = [kind];
  readonly marks: (SourceMark | null)[] = [];
  readonly acknowledged: SourceMark[] = [];
  readonly #said: (SourceChunk | SyncError)[] = [];
  #wake: () => void = () => undefined;

  constructor(name: string) {
    this.name = name;
  }

  say(...what: (SourceChunk | SyncError)[]): void {
    this.#said.push(...what);
    this.#wake();
  }

  async *read({ mark }: SourceResume, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    this.marks.push(mark);
    while (!signal.aborted) {
      const next = this.#said.shift();
      if (next instanceof SyncError) throw next;
      if (next !== undefined) yield next;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
    }
  }

  async acknowledge(mark: SourceMark): Promise<void> {
    this.acknowledged.push(mark);
  }

  async check(): Promise<never> {
    throw new Error('nobody asks');
  }
}

function of(...streams: readonly SourceStream[]): SourceConnector {
  return { streams, close: async () => undefined };
}

function chunk(n: number, key = 'A'): SourceChunk {
  const change = { kind, key, operation: 'update', order: String(n), occurredAtMs: n, data: { n } } as const;
  return { changes: [change], mark: { n }, phase: 'changes' };
}

test('a mark is acknowledged to the source when it is stored, and the lease travels with every record', async () => {
  house = new SourceHouse([kind]);
  const stream = new ScriptedStream(kind);
  await house.start(of(stream));
  stream.say(chunk(1), chunk(2));
  await expect.poll(() => stream.acknowledged, patience).toEqual([{ n: 1 }, { n: 2 }]);
  expect(house.view(kind)).toMatchObject({ mark: { n: 2 }, changes: 2 });
  expect(house.records(kind).map(({ headers }) => headers[rawHeaders.lease])).toEqual(['1', '1']);
});

test('a stream that fails is tried again where it was, shows why, and holds up no other', async () => {
  house = new SourceHouse([kind]);
  const [ill, well] = [new ScriptedStream('ill'), new ScriptedStream('well')];
  const { worker } = await house.start(of(ill, well));
  const failure = new SyncError('source.unavailable', 'it does not answer');
  ill.say(chunk(1), failure, failure, failure);
  await expect.poll(() => ill.marks.length, patience).toBeGreaterThan(2);
  expect(ill.marks.slice(0, 3)).toEqual([null, { n: 1 }, { n: 1 }]);
  expect(worker.statuses()).toMatchObject({ ill: { state: 'retrying', code: 'source.unavailable' }, well: { state: 'reading' } });
  expect(house.view('ill')).toMatchObject({ state: 'running', errorCode: 'source.unavailable', reason: 'it does not answer' });
  well.say(chunk(7, 'W'));
  await expect.poll(() => well.acknowledged, patience).toEqual([{ n: 7 }]);
  ill.say(chunk(2));
  await expect.poll(() => house.view('ill'), patience).toMatchObject({ errorCode: null, reason: null, mark: { n: 2 } });
});

test('a position that the source has lost begins the next epoch, from the beginning', async () => {
  house = new SourceHouse([kind]);
  const stream = new ScriptedStream(kind);
  await house.start(of(stream));
  stream.say(chunk(5), new SyncError('source.position-lost', 'the slot is gone'));
  await expect.poll(() => stream.marks, patience).toEqual([null, null]);
  stream.say(chunk(1));
  await expect
    .poll(async () => (await house.events(kind)).map(({ position }) => position), patience)
    .toEqual(['00000001:5', '00000002:1']);
});

test('a process that was stopped for a while sends nothing more under a lease that another has', async () => {
  house = new SourceHouse([kind]);
  const stream = new ScriptedStream(kind);
  let asleepMs = 0;
  const clock = { ...systemClock, nowMs: () => Date.now() + asleepMs };
  await house.start(of(stream), undefined, 'one', clock);
  stream.say(chunk(1));
  await expect.poll(() => stream.acknowledged, patience).toEqual([{ n: 1 }]);
  // In one go, as it is to a process that sleeps.
  asleepMs = 60_000;
  house.streams.at({ source, stream: kind })!.seenAtMs = 0;
  const [taken] = await new MemorySourceStore(house.streams).acquire([{ source, stream: kind }], 'two', 5_000);
  expect(taken).toMatchObject({ token: 2, mark: { n: 1 } });
  stream.say(chunk(2));
  await expect.poll(() => stream.marks.length, patience).toBe(1);
  await systemClock.sleep(300);
  expect(house.records(kind)).toHaveLength(1);
});

test('a change that no topic can carry stands there as a refusal', async () => {
  house = new SourceHouse([kind], 1_000);
  const stream = new ScriptedStream(kind);
  await house.start(of(stream));
  const big = { kind, key: 'B', operation: 'update', order: '1', occurredAtMs: 1, data: { text: 'x'.repeat(2_000) } } as const;
  const lost = { ...big, key: 'L', data: null, fault: new SyncError('record.too-deep', 'deeper than deep') };
  stream.say({ changes: [big, lost, { ...big, key: 'C', data: { text: 'y' } }], mark: {}, phase: 'changes' });
  await expect.poll(() => stream.acknowledged.length, patience).toBe(1);
  const refused = house.records(kind).map(({ key, headers }) => [key, headers[rawHeaders.refused]]);
  expect(refused.sort()).toEqual([
    ['B', 'record.too-large'],
    ['C', undefined],
    ['L', 'record.too-deep'],
  ]);
});
