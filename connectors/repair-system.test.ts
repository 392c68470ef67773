import { expect, test } from 'vitest';
import { MemoryClock } from '../adapters/memory/clock.ts';
import { MemoryProducer } from '../adapters/memory/event-log.ts';
import { LogStore } from '../adapters/memory/log-store.ts';
import type { EntityId, GoldenRecord } from '../core/change-event.ts';
import type { JsonObject } from '../core/json.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { GuardState } from '../core/ports/target-store.ts';
import { ProducerPool } from '../core/producer-pool.ts';
import { topicNames } from '../core/topics.ts';
import type { Finding, Suspect } from '../core/verify/finding.ts';
import { kind, VerifyWorld, type VerifyWorldOptions } from '../tests/verify-world.ts';
import { GoldenPublication } from './repair-publication.ts';
import { SystemRepair } from './repair-system.ts';

const topics = topicNames();
const running: GuardState = {
  state: 'running',
  reason: null,
  known: 100,
  changed: 0,
  deleted: 0,
  windowFromMs: 0,
  approvedUntilMs: null,
};
const codec: RecordCodec<GoldenRecord> = {
  encode: (record) => Buffer.from(JSON.stringify(record)),
  decode: (bytes) => JSON.parse(bytes.toString()) as GoldenRecord,
};

/** A world whose differences can be repaired; `believed` is what the worker was told to expect. */
function repairable(options: VerifyWorldOptions, wrong = new Map<EntityId, Finding>(), guard: GuardState = running) {
  const world = new VerifyWorld(options);
  const log = new LogStore(() => 0);
  const [resolved, raw] = [topics.resolved(kind), topics.raw('crm', kind)];
  for (const topic of [resolved, raw]) log.createTopic(topic, 1);
  const producers = new ProducerPool([new MemoryProducer(log)]);
  const believed: (string | null)[][] = [];
  const paused: string[] = [];
  const goldenOf = async (entityIds: readonly EntityId[]) =>
    entityIds.map((entityId) => {
      const { version, data, deleted, eventId } = world.states.get(entityId)![0]!;
      return { entityId, kind, version: { epoch: 1, n: version }, deleted, data, eventId, updatedAt: '' };
    });
  const repair = new SystemRepair({
    plan: world.plan,
    comparison: world.comparison,
    connector: world.target,
    store: { guard: async () => guard, pause: async (_target, reason) => void paused.push(reason) },
    guard: { changedMax: 1, deletedMax: 0.2, atLeast: 2, windowMs: 3_600_000, approveFirst: false },
    beliefs: { found: async (_target, entityId, _before, checksum) => void believed.push([entityId, checksum]) },
    publication: new GoldenPublication({ store: { goldenOf }, producers, topic: resolved, partitions: 1, codec }),
    producers,
    clock: new MemoryClock(),
    inconsistencies: async () => wrong,
  });
  const messages = (topic: string) => log.records({ topic, partition: 0 });
  const plan = async (deleteUnknown = false) => {
    const suspects = await world.findings();
    const planned = await repair.plan(suspects, deleteUnknown);
    return suspects.map(({ key }, at) => `${key} ${planned[at]!.action}: ${planned[at]!.reason}`).sort();
  };
  return { world, repair, believed, paused, plan, published: () => messages(resolved), told: () => messages(raw) };
}

const label = (key: string, of: string): [string, string, JsonObject] => [kind, key, { label: of, stock: 1 }];

test('a target gets its golden record again, its worker believing what was found there', async () => {
  const { world, repair, believed, plan, published } = repairable({ isSource: false });
  for (const key of ['A', 'B', 'C']) {
    world.knows(key, { name: key, stock: 1 });
    world.wrote(key, { name: key, stock: 1 }, { label: key, stock: 1 });
  }
  world.target.put(...label('A', 'A'));
  world.target.put(...label('B', 'other'));
  expect(await plan()).toEqual(['B write: null', 'C write: null']);
  expect(published()).toEqual([]);
  await repair.act('write', await world.findings());
  const row = world.target.at(kind, 'B');
  expect(believed).toEqual([
    [`${kind}:B`, world.plan.comparable(row)],
    [`${kind}:C`, null],
  ]);
  expect(published().map(({ key }) => key)).toEqual([`${kind}:B`, `${kind}:C`]);
});

test('a row of a source whose change lies in the dead letters is not told once more', async () => {
  const { world, plan } = repairable({ isSource: true });
  world.target.put(...label('N', 'new'));
  world.letters.set('N', 'record.too-large');
  expect(await plan()).toEqual(['N none: its change lies in the dead letters: record.too-large']);
});

test('what a source holds is told as its own change, behind what it told last, and the filter forgets the record', async () => {
  const { world, repair, plan, told } = repairable({ isSource: true });
  world.knows('A', { name: 'a', stock: 1 });
  world.knows('B', { name: 'b', stock: 1 });
  world.target.put(...label('A', 'mine'));
  world.target.put(...label('N', 'new'));
  expect(await plan()).toEqual(['A tell: null', 'B tell: null', 'N tell: null']);
  await repair.act('tell', await world.findings());
  const events = told().map(({ key, value, headers }) =>
    value === null ? `${key} ${headers['syncline-control']}` : JSON.parse(value.toString()),
  );
  expect(events).toMatchObject([
    'A forget',
    { key: 'A', operation: 'update', position: '00000001:0001!', data: { label: 'mine' } },
    'B forget',
    { key: 'B', operation: 'delete', position: '00000001:0001!', data: null },
    'N forget',
    { key: 'N', operation: 'update', position: '00000000:!!', data: { label: 'new' } },
  ]);
});

test('a golden record that is wrong itself is not written anywhere', async () => {
  const finding: Finding = { kind: 'inconsistent', fields: [], reason: 'it is not merged' };
  const { world, plan } = repairable({ isSource: false }, new Map([[`${kind}:A` as EntityId, finding]]));
  world.knows('A', { name: 'a', stock: 1 });
  expect(await plan()).toEqual(['A none: what would be written is wrong itself: it is not merged']);
});

test('a row that nobody ever told of is deleted only where that is asked for, and what is deleted there at all', async () => {
  for (const [deletes, asked, lines] of [
    ['delete', false, ['X none: nobody ever told of it: `--delete-unknown` deletes such rows']],
    ['delete', true, ['X delete: null']],
    ['ignore', true, ['X none: nothing is deleted there (`deletes: ignore`)']],
  ] as const) {
    const { world, plan, repair } = repairable({ isSource: false, deletes });
    world.target.put(...label('X', 'x'));
    expect(await plan(asked)).toEqual(lines);
    if (lines[0] === 'X delete: null') await repair.act('delete', await world.findings());
    expect(world.target.at(kind, 'X') === null).toBe(lines[0] === 'X delete: null');
  }
});

test('a row that somebody has told of meanwhile, or that was changed, is not deleted', async () => {
  const { world, repair } = repairable({ isSource: false });
  world.target.put(...label('X', 'x'));
  const suspects: Suspect[] = await world.findings();
  world.knows('X', { name: 'x', stock: 1 });
  await repair.act('delete', suspects);
  expect(world.target.at(kind, 'X')).not.toBeNull();
});

test('too many deletions pause the target instead', async () => {
  const { world, repair, paused } = repairable({ isSource: false }, new Map(), { ...running, known: 5 });
  for (const key of ['X', 'Y']) world.target.put(...label(key, 'x'));
  await expect(repair.act('delete', await world.findings())).rejects.toMatchObject({ code: 'target.guarded' });
  expect(paused).toEqual(['2 of 5 records would be deleted, more than 20 % (`guard.deletedMax`)']);
  expect(world.target.rows.size).toBe(2);
});

test('what others change stays where it is kept, and what is frozen stays frozen', async () => {
  const { world, plan } = repairable({ isSource: false, onForeignChange: 'keep' });
  for (const key of ['A', 'F']) {
    world.knows(key, { name: key, stock: 1 });
    world.wrote(key, { name: key, stock: 1 }, { label: key, stock: 1 });
    world.target.put(...label(key, 'other'));
  }
  const name = `crm\0${kind}:F`;
  world.rows.states.set(name, { ...world.rows.states.get(name)!, frozen: true });
  expect(await plan()).toEqual([
    'A none: what others change there is kept (`onForeignChange: keep`)',
    'F none: it is frozen: see its letter',
  ]);
});

test('the newest version stands last although it was published while an older one was said again', async () => {
  const log = new LogStore(() => 0);
  log.createTopic('resolved', 1);
  const producer = new MemoryProducer(log);
  let n = 1;
  const goldenOf = async (entityIds: readonly EntityId[]): Promise<GoldenRecord[]> =>
    entityIds.map((entityId) => ({ entityId, version: { epoch: 1, n } }) as GoldenRecord);
  const sends: unknown[] = [];
  const publication = new GoldenPublication({
    store: { goldenOf },
    producers: new ProducerPool([
      {
        async send(records) {
          // The owner of the record publishes its next version right before ours arrives.
          if (sends.push(records) === 1)
            await producer.send([{ ...records[0]!, value: Buffer.from(`{"version":{"n":${++n}}}`) }]);
          await producer.send(records);
        },
        close: async () => undefined,
      },
    ]),
    topic: 'resolved',
    partitions: 1,
    codec,
  });
  await publication.publish([`${kind}:A` as EntityId]);
  const versions = log.records({ topic: 'resolved', partition: 0 }).map(({ value }) => JSON.parse(value!.toString()).version.n);
  expect(versions).toEqual([2, 1, 2]);
});
