import { expect, it } from 'vitest';
import { SyncError } from './errors.ts';
import type { LogProducer, OutgoingRecord } from './ports/event-log.ts';
import { ProducerPool } from './producer-pool.ts';

const message = (key: string): OutgoingRecord => ({ topic: 't', partition: 0, key, value: key });

class Producer implements LogProducer {
  readonly sends: string[][] = [];
  refuses = '';
  #gate: Promise<void> = Promise.resolve();

  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    const keys = records.map(({ key }) => key);
    this.sends.push(keys);
    await this.#gate;
    if (keys.includes(this.refuses)) throw new SyncError('record.too-large', 'too large');
  }

  async close(): Promise<void> {}
}

it('what is sent at one moment goes in one request', async () => {
  const producers = [new Producer(), new Producer()];
  const pool = new ProducerPool(producers);
  await Promise.all([pool.send([message('a'), message('b')]), pool.send([message('c')])]);
  expect(producers.flatMap(({ sends }) => sends)).toEqual([['a', 'b', 'c']]);
});

it('what has to wait for a producer goes together when one is free, in the order it came', async () => {
  const producer = new Producer();
  const pool = new ProducerPool([producer]);
  const go = producer.hold();
  const first = pool.send([message('a')]);
  await Promise.resolve();
  const others = ['b', 'c', 'd'].map((key) => pool.send([message(key)]));
  go();
  await Promise.all([first, ...others]);
  expect(producer.sends).toEqual([['a'], ['b', 'c', 'd']]);
});

it('long sends go alone', async () => {
  const producer = new Producer();
  const pool = new ProducerPool([producer]);
  const long = Array.from({ length: 500 }, (_none, n) => message(`long-${n}`));
  await Promise.all([pool.send([message('a')]), pool.send(long), pool.send([message('b')])]);
  expect(producer.sends.map(({ length }) => length)).toEqual([1, 500, 1]);
});

it('a record that is too large fails for whoever sends it, not for the others', async () => {
  const producer = new Producer();
  producer.refuses = 'large';
  const pool = new ProducerPool([producer]);
  const sent = await Promise.allSettled([pool.send([message('a')]), pool.send([message('large')]), pool.send([message('b')])]);
  expect(sent.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(producer.sends).toEqual([['a', 'large', 'b'], ['a'], ['large'], ['b']]);
});
