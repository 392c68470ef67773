import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExactNumber, isJsonObject, type JsonObject, type JsonValue } from '../../core/json.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import type { SystemRow } from '../../core/ports/system-reader.ts';
import { type Fate, SourceHouse, type SourceProcess, source } from '../source-world.ts';

/** A row as the suite knows it; `id` is the key. */
export interface ProductRow {
  readonly id: number;
  readonly name: string | null;
  readonly qty: number;
}

export interface SourceTable {
  /** Kind and table have one name. */
  readonly kind: string;
  /** Undefined: the table's primary key. */
  readonly key?: readonly string[];
  readonly onSchemaChange?: 'pause' | 'adapt';
}

/** A database of the test's own in which one kind of source connector reads. */
export interface SourceWorld {
  /** With `id` as primary key, `name`, `qty`, and whatever the connector's mode needs. */
  createTable(table: string): Promise<void>;
  /** The same without any key. */
  createKeyless(table: string): Promise<void>;
  /** Inserts, or updates what is there. */
  put(table: string, rows: readonly ProductRow[]): Promise<void>;
  remove(table: string, ids: readonly number[]): Promise<void>;
  rekey(table: string, from: number, to: number): Promise<void>;
  addColumn(table: string, column: string): Promise<void>;
  dropTable(table: string): Promise<void>;
  /** A table with a column of every type at its edges, under the key `edge`: what has to be told of it, numbers that no double carries as texts. */
  createEdges(table: string): Promise<JsonObject>;
  /** Every connection breaks, as when the server is killed and started again. */
  breakConnections(): Promise<void>;
  /** Read as a user without the right to read this table; `grant` gives it. */
  connectorWithoutRight(table: string): Promise<{ connector: SourceConnector; grant(): Promise<void> }>;
  /** Looks often, and reads at most so many rows at once. */
  connector(tables: readonly SourceTable[], batchRowsMax: number): Promise<SourceConnector>;
  close(): Promise<void>;
}

const kind = 'product';
const other = 'price';
const patience = { timeout: 60_000, interval: 50 };

function row(id: number, qty = id): ProductRow {
  return { id, name: `Product ${id}`, qty };
}

function rows(from: number, to: number): ProductRow[] {
  return Array.from({ length: to - from + 1 }, (_, at) => row(from + at));
}

function withDigits(value: JsonValue): JsonValue {
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return value.map(withDigits);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, withDigits(inner)]));
}

export function describeSourceConnector(name: string, open: () => Promise<SourceWorld>): void {
  describe(`${name} as a source`, () => {
    let world: SourceWorld;
    let house: SourceHouse;
    const opened: SourceConnector[] = [];

    beforeEach(async () => {
      world = await open();
      house = new SourceHouse([kind, other]);
    });
    afterEach(async () => {
      await house.close();
      await Promise.all(opened.splice(0).map((connector) => connector.close()));
      await world.close();
    });

    async function start(
      tables: readonly SourceTable[],
      batchRowsMax = 50,
      fate?: (operation: string) => Fate,
    ): Promise<SourceProcess> {
      const connector = await world.connector(tables, batchRowsMax);
      opened.push(connector);
      return house.start(connector, fate);
    }

    async function connectorOf(tables: readonly SourceTable[]): Promise<SourceConnector> {
      const connector = await world.connector(tables, 50);
      opened.push(connector);
      return connector;
    }

    /** What the topic says: id -> [name, qty]. */
    async function told(of = kind): Promise<Record<string, unknown>> {
      const known = await house.told(of);
      return Object.fromEntries([...known].map(([key, data]) => [key, [data.name ?? null, data.qty]]));
    }

    function expected(standing: Iterable<ProductRow>): Record<string, unknown> {
      return Object.fromEntries([...standing].map(({ id, name: called, qty }) => [String(id), [called, qty]]));
    }

    async function becomes(standing: Iterable<ProductRow>, of = kind): Promise<void> {
      const wanted = expected(standing);
      await expect.poll(() => told(of), patience).toEqual(wanted);
    }

    /** The changes of each key stand in the order of their positions. */
    async function isInOrder(): Promise<void> {
      const positions = new Map<string, string[]>();
      for (const { key, position } of await house.events(kind)) positions.set(key, [...(positions.get(key) ?? []), position]);
      for (const [key, of] of positions) expect([key, of]).toEqual([key, [...of].sort()]);
    }

    it('everything there is is told, and then what is inserted, updated, deleted and given another key', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 120));
      await start([{ kind }]);
      await becomes(rows(1, 120));
      // By timestamp, what was written just before is read once more.
      const firstOfEach = new Map((await house.events(kind)).toReversed().map(({ key, operation }) => [key, operation]));
      expect(new Set(firstOfEach.values())).toEqual(new Set(['snapshot']));
      await world.put(kind, [row(60, 9_000), row(121), { id: 61, name: null, qty: 0 }, { id: 62, name: '', qty: 0 }]);
      await world.remove(kind, [5, 119]);
      await world.rekey(kind, 70, 700);
      const standing = new Map(rows(1, 121).map((each) => [each.id, each]));
      for (const gone of [5, 119, 70]) standing.delete(gone);
      for (const put of [row(60, 9_000), { id: 61, name: null, qty: 0 }, { id: 62, name: '', qty: 0 }, { ...row(70), id: 700 }])
        standing.set(put.id, put);
      await becomes(standing.values());
      await isInOrder();
    });

    it('a table that changes while it is read for the first time is told as it stands in the end', {
      timeout: 60_000,
    }, async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 400));
      const standing = new Map(rows(1, 400).map((each) => [each.id, each]));
      await start([{ kind }], 20);
      for (let round = 0; round < 40; round++) {
        const [changed, gone, added] = [1 + ((round * 37) % 400), 1 + ((round * 53 + 11) % 400), 1_000 + round];
        await world.put(kind, [row(changed, 5_000 + round), row(added)]);
        standing.set(changed, row(changed, 5_000 + round)).set(added, row(added));
        await world.remove(kind, [gone]);
        standing.delete(gone);
      }
      await becomes(standing.values());
      await isInOrder();
    });

    it('a process that dies while it reads for the first time is followed at its chunk, not at the beginning', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 600));
      let stored = 0;
      await start([{ kind }], 50, (operation) => (operation === 'source.advance' && ++stored === 8 ? 'dies-after' : 'lives'));
      await expect.poll(() => stored, patience).toBe(8);
      const before = house.records(kind).length;
      expect(before).toBeGreaterThan(100);
      expect(before).toBeLessThan(600);
      await start([{ kind }], 50);
      await becomes(rows(1, 600));
      // What was read and not stored is read again: a chunk or two. What was written shortly before may be told as a change, too.
      const snapshot = (await house.events(kind)).filter(({ operation }) => operation === 'snapshot');
      expect(snapshot.length).toBeGreaterThanOrEqual(600);
      expect(snapshot.length).toBeLessThan(600 + 3 * 50);
    });

    it.each([
      ['before Kafka has anything of it', 'log.append', 'dies-before'],
      ['when Kafka has half of it', 'log.append', 'dies-after'],
      ['before the mark is stored', 'source.advance', 'dies-before'],
      ['after the mark is stored', 'source.advance', 'dies-after'],
    ] as const)('a process that dies with a change in hand, %s, loses nothing', async (_when, operation, fate) => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 100));
      let armed = false;
      let died = false;
      await start([{ kind }], 50, (met) => {
        if (!armed || died || met !== operation) return 'lives';
        died = true;
        return fate;
      });
      await becomes(rows(1, 100));
      await expect.poll(() => house.view(kind)?.phase, patience).toBe('waiting');
      if (operation === 'log.append') armed = true;
      await world.put(kind, [row(10, 500), row(90, 501), row(101)]);
      await world.remove(kind, [20]);
      armed = true;
      await expect.poll(() => died, patience).toBe(true);
      // What the dead one sent may be undone before its follower looks.
      await world.put(kind, [row(10, 10), row(90, 777)]);
      await start([{ kind }], 50);
      const standing = [...rows(1, 101).filter(({ id }) => id !== 20 && id !== 90), row(90, 777)];
      await becomes(standing);
      await isInOrder();
    });

    it('nothing is settled before Kafka has it, and no more is read than Kafka takes', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 1_000));
      house.closeKafka();
      const process = await start([{ kind }], 20);
      await expect.poll(() => process.asked, patience).toBeGreaterThan(1);
      await sleep(500);
      // The mark that says that reading began, the chunk in hand, and the one behind it.
      expect(process.asked).toBeLessThanOrEqual(4);
      // What is about to be told may be noted before; what was told may not.
      expect(house.noteNames(kind).filter((name) => !name.startsWith('~'))).toEqual([]);
      expect(house.view(kind)?.changes).toBe(0);
      house.openKafka();
      await becomes(rows(1, 1_000));
    });

    it('connections that break are opened anew, and reading goes on', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 300));
      await start([{ kind }], 20);
      await expect.poll(() => house.records(kind).length, patience).toBeGreaterThan(20);
      for (let broken = 0; broken < 5; broken++) {
        await world.breakConnections();
        await sleep(50);
      }
      await world.put(kind, [row(301)]);
      await world.remove(kind, [3]);
      await becomes(rows(1, 301).filter(({ id }) => id !== 3));
    });

    it('two processes never read one stream at once, and who stops is followed at once', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 100));
      const first = await start([{ kind }]);
      await becomes(rows(1, 100));
      const connector = await world.connector([{ kind }], 50);
      opened.push(connector);
      const second = await house.start(connector, undefined, 'two');
      await sleep(1_500);
      expect(second.asked).toBe(0);
      await first.stop();
      await world.put(kind, [row(101)]);
      await becomes(rows(1, 101));
      expect(second.asked).toBeGreaterThan(0);
    });

    it('every value is told as the database holds it', async () => {
      house = new SourceHouse([kind], 16_000_000);
      const wanted = await world.createEdges(kind);
      await start([{ kind }]);
      await expect.poll(async () => (await house.told(kind)).size, patience).toBeGreaterThan(0);
      const known = [...(await house.told(kind)).values()].find(({ id }) => id === 'edge');
      expect(withDigits(known!)).toMatchObject(wanted);
      const { reader } = await connectorOf([{ kind }]);
      await reader!.open();
      const [asked] = await reader!.readKeys(kind, [...(await house.told(kind)).keys()]);
      expect(withDigits(asked!.row)).toEqual(withDigits(known!));
    });

    it('what it holds at present is met row by row, each once, and found by its keys, as it is told', async () => {
      await world.createTable(kind);
      await world.put(kind, [...rows(1, 250), { id: 251, name: null, qty: 0 }]);
      const process = await start([{ kind }]);
      await expect.poll(async () => (await house.told(kind)).size, patience).toBe(251);
      const wanted = await house.told(kind);
      await process.stop();
      const reader = (await connectorOf([{ kind }, { kind: other }])).reader!;
      await reader.open();
      const met: SystemRow[] = [];
      for (let after: JsonObject | null = null; ; ) {
        const { rows: page, next } = await reader.readRange(kind, after, 60);
        met.push(...page);
        if (next === null) break;
        after = JSON.parse(JSON.stringify(next)) as JsonObject;
      }
      expect(met).toHaveLength(251);
      expect(new Map(met.map(({ key, row: data }) => [key, data]))).toEqual(wanted);
      await world.remove(kind, [7]);
      const found = await reader.readKeys(kind, ['251', '7', '999', 'no number', '', '12', '1e400']);
      expect(new Map(found.map(({ key, row: data }) => [key, data]))).toEqual(
        new Map(['251', '12'].map((key) => [key, wanted.get(key)])),
      );
      await expect(reader.readRange(other, null, 10)).rejects.toMatchObject({ code: 'source.misconfigured' });
    });

    it('a record larger than the pipeline carries is refused with its reason, and the next ones go on', async () => {
      house = new SourceHouse([kind], 2_000);
      await world.createTable(kind);
      await world.put(kind, [row(1), { id: 2, name: 'x'.repeat(3_000), qty: 2 }, row(3)]);
      await start([{ kind }]);
      await becomes([row(1), row(3)]);
      const refused = house.records(kind).find(({ headers }) => headers['syncline-refused'] !== undefined);
      expect(refused?.key).toBe('2');
      expect(refused?.headers['syncline-refused']).toBe('record.too-large');
      await world.put(kind, [row(2)]);
      await becomes(rows(1, 3));
    });

    it('a table that gains a column waits for somebody to look, the others go on, and who resumes it accepts', async () => {
      for (const table of [kind, other]) {
        await world.createTable(table);
        await world.put(table, rows(1, 10));
      }
      await start([{ kind }, { kind: other }]);
      await becomes(rows(1, 10));
      await becomes(rows(1, 10), other);
      await world.addColumn(kind, 'extra');
      await expect.poll(() => house.view(kind), patience).toMatchObject({ state: 'paused', errorCode: 'source.schema-changed' });
      expect(house.view(kind)?.reason).toMatch(/new: extra/i);
      await world.put(kind, [row(11)]);
      await world.put(other, [row(11)]);
      await becomes(rows(1, 11), other);
      expect(Object.keys(await told())).toHaveLength(10);
      await house.desk.resume({ source, stream: kind });
      await becomes(rows(1, 11));
      expect([...(await house.told(kind)).values()].every((data) => 'extra' in data || 'EXTRA' in data)).toBe(true);
    });

    it('a table that gains a column is read again and goes on where it is configured so', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 10));
      await start([{ kind, onSchemaChange: 'adapt' }]);
      await becomes(rows(1, 10));
      await world.addColumn(kind, 'extra');
      await expect
        .poll(async () => [...(await house.told(kind)).values()].every((data) => 'extra' in data || 'EXTRA' in data), patience)
        .toBe(true);
      expect(house.view(kind)).toMatchObject({ state: 'running', reason: null });
    });

    it('a stream that is read anew tells everything in the next epoch, and what was deleted meanwhile', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 60));
      const process = await start([{ kind }]);
      await becomes(rows(1, 60));
      await expect.poll(() => house.view(kind)?.phase, patience).toBe('waiting');
      await house.desk.pause({ source, stream: kind }, 'ada');
      await expect.poll(() => Object.keys(process.worker.statuses()), patience).toEqual([]);
      await world.remove(kind, [7]);
      await house.desk.resync({ source, stream: kind });
      await becomes(rows(1, 60).filter(({ id }) => id !== 7));
      const anew = async () => (await house.events(kind)).filter(({ position }) => position.startsWith('00000002:'));
      await expect.poll(async () => new Set((await anew()).map(({ key }) => key)).size, patience).toBe(60);
    });

    it('a table without a key says so; with columns that tell its rows apart it is read, and with others not', async () => {
      await world.createKeyless(kind);
      await world.put(kind, rows(1, 30));
      const [none] = (await world.connector([{ kind }], 50)).streams;
      const { problem } = await none!.check();
      expect(problem).toMatchObject({ code: 'source.misconfigured' });
      expect(problem?.message).toMatch(/primary key/);
      const process = await start([{ kind, key: ['id'] }]);
      await becomes(rows(1, 30));
      await process.stop();
      await world.put(kind, [{ ...row(31), qty: 30 }]);
      const [twice] = (await world.connector([{ kind, key: ['qty'] }], 50)).streams;
      expect((await twice!.check()).problem?.message).toMatch(/apart/);
    });

    it('a right that is missing is named, and reading begins when it is given', { timeout: 60_000 }, async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 5));
      const { connector, grant } = await world.connectorWithoutRight(kind);
      opened.push(connector);
      await house.start(connector);
      await expect.poll(() => house.view(kind), patience).toMatchObject({ state: 'running', errorCode: 'source.misconfigured' });
      expect(house.view(kind)?.reason).toMatch(/GRANT SELECT ON/i);
      await grant();
      await becomes(rows(1, 5));
      expect(house.view(kind)).toMatchObject({ errorCode: null, reason: null });
    });

    it('a table that is not there stops no other', async () => {
      await world.createTable(kind);
      await world.put(kind, rows(1, 5));
      await start([{ kind: other }, { kind }]);
      await becomes(rows(1, 5));
      await expect.poll(() => house.view(other)?.errorCode, patience).toBe('source.misconfigured');
      await world.createTable(other);
      await world.put(other, rows(1, 3));
      await becomes(rows(1, 3), other);
    });
  });
}
