import { expect, test } from 'vitest';
import { MemoryClock } from '../adapters/memory/clock.ts';
import { MemoryProducer } from '../adapters/memory/event-log.ts';
import { LogStore } from '../adapters/memory/log-store.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { ProducerPool } from '../core/producer-pool.ts';
import { topicNames } from '../core/topics.ts';
import { kind, VerifyWorld } from '../tests/verify-world.ts';
import { SourceRepair } from './repair-source.ts';

const topic = topicNames().raw('crm', kind);

async function repairable() {
  const world = new VerifyWorld({ isSource: true, isTarget: false });
  const log = new LogStore(() => 0);
  log.createTopic(topic, 1);
  const codec = await jsonCodecs({ recordBytesMax: 1_000 }).for('change', topic);
  const repair = new SourceRepair({
    source: 'crm',
    kind,
    comparison: world.comparison,
    back: { topic, partitions: 1, codec },
    producers: new ProducerPool([new MemoryProducer(log)]),
    clock: new MemoryClock(),
  });
  const told = (): ChangeEvent[] =>
    log.records({ topic, partition: 0 }).flatMap(({ value }) => (value === null ? [] : [codec.decode(value)]));
  const plan = async () => {
    const suspects = await world.findings();
    const planned = await repair.plan(suspects);
    return suspects.map(({ key }, at) => `${key} ${planned[at]!.action}: ${planned[at]!.reason}`).sort();
  };
  return { world, repair, plan, told };
}

test('what stands in the source is told again, right behind what it told last', async () => {
  const { world, repair, plan, told } = await repairable();
  world.knows('A', { name: 'known', stock: 1 });
  world.knows('B', { name: 'gone', stock: 1 });
  world.target.put(kind, 'A', { label: 'now', stock: 1 });
  world.target.put(kind, 'C', { label: 'new', stock: 3 });
  expect(await plan()).toEqual(['A tell: null', 'B tell: null', 'C tell: null']);
  expect(told()).toEqual([]);
  await repair.act('tell', await world.findings());
  expect(told().map(({ key, operation, data }) => [key, operation, data])).toEqual([
    ['A', 'update', { sku: 'A', label: 'now', stock: 1 }],
    ['B', 'delete', null],
    ['C', 'update', { sku: 'C', label: 'new', stock: 3 }],
  ]);
  const own = world.states.get(`${kind}:A` as never)!.at(-1)!.position!;
  expect(told()[0]!.position > own).toBe(true);
});

test('a row that no record can be made of is left with its reason, and one that is too large keeps no other back', async () => {
  const { world, repair, plan, told } = await repairable();
  world.target.put(kind, 'large', { label: 'x'.repeat(2_000), stock: 1 });
  world.target.put(kind, 'small', { label: 'x', stock: 1 });
  await repair.act('tell', await world.findings());
  expect(told().map(({ key }) => key)).toEqual(['small']);
  const side = (await world.findings())[0]!;
  const finding = { kind: 'missing_here' as const, fields: [], reason: 'record.too-deep: nested too deep' };
  expect(await repair.plan([{ ...side, finding }])).toEqual([{ action: 'none', reason: finding.reason }]);
  world.letters.set('large', 'record.too-large');
  expect(await plan()).toEqual(['large none: its change lies in the dead letters: record.too-large', 'small tell: null']);
});
