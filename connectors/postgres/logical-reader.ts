import { setTimeout as sleep } from 'node:timers/promises';
import { SyncError } from '../../core/errors.ts';
import { LoggedRows } from './logged-rows.ts';
import { ReplicationConnection } from './logical-connection.ts';
import type { LogicalDatabase } from './logical-database.ts';
import { TableFeed } from './logical-feed.ts';
import type { LogPlace } from './logical-place.ts';
import type { LogicalShape } from './logical-shape.ts';
import { dropSlot, readSlot } from './logical-slot.ts';
import { decodePgoutput, type Lsn, type PgoutputSink, type Relation, type Tuple } from './pgoutput.ts';
import { sqlStateOf } from './sql-state.ts';

export interface LogReaderOptions {
  readonly database: LogicalDatabase;
  readonly slot: string;
  readonly publication: string;
  readonly nowMs: () => number;
  /** What the server may forget. */
  confirmable(): Lsn | null;
}

const bufferedBytesMax = 16_000_000;
const tickMs = 1_000;
const slotFreeWaitMs = 5_000;
const slotFreePollMs = 50;
/** Who was given the streams again within this time after giving them back has nobody beside it. */
const yieldedMs = 30_000;
/** Streams that begin together give back together. */
const yieldTogetherMs = 500;

interface KnownRelation {
  readonly name: string;
  readonly relation: Relation;
  feed: TableFeed | undefined;
  /** Null: the table is not as the feed's reader knows it. */
  rows: LoggedRows | null;
  seq: number;
  countedIn: Lsn;
}

/**
 * Reads one slot for all tables. Each table has its own place: when one comes that is behind, reading begins again where
 * it is, and the others pass over what they have.
 */
export class LogReader implements PgoutputSink {
  readonly #options: LogReaderOptions;
  readonly #feeds = new Map<string, TableFeed>();
  readonly #relations = new Map<number, KnownRelation>();
  #connection: ReplicationConnection | undefined;
  #opening: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastPids = new Set<number>();
  #yieldedAtMs = Number.NEGATIVE_INFINITY;
  #bufferedBytes = 0;
  #paused = false;
  #messageBytes = 0;
  /** Of this connection: the log was read from here on, and the last transaction begun. */
  #from: Lsn = '';
  #begun: Lsn = '';
  #progress: Lsn = '';
  #commit: { lsn: Lsn; committedAtMs: number } | null = null;
  #isClosed = false;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** The table's changes from this place on; until: up to the transactions that committed before. The caller closes the feed. */
  async subscribe(shape: LogicalShape, from: LogPlace, until: Lsn | null): Promise<TableFeed> {
    const feed = new TableFeed(shape, from, until, {
      progress: () => (this.#commit === null && this.#progress !== '' ? this.#progress : null),
      drained: (bytes) => this.#drained(bytes),
      closed: (closed) => this.#closed(closed),
    });
    this.#feeds.set(nameOf(shape.schema, shape.table), feed);
    for (const known of this.#relations.values()) this.#connect(known);
    try {
      await this.#ensure();
    } catch (error) {
      feed.close();
      throw error;
    }
    this.#connection?.confirm(this.#options.confirmable());
    return feed;
  }

  /** Ends what is being read. */
  interrupt(error: SyncError): void {
    this.#disconnect();
    for (const feed of this.#feeds.values()) feed.fail(error);
  }

  close(): void {
    this.#isClosed = true;
    this.interrupt(new SyncError('source.unavailable', 'the source is closed'));
  }

  begin(lsn: Lsn, committedAtMs: number): void {
    this.#begun = lsn;
    this.#commit = { lsn, committedAtMs };
  }

  commit(endLsn: Lsn): void {
    this.#commit = null;
    this.#moveTo(endLsn);
  }

  relation(relation: Relation): void {
    // Told again within a transaction where the table was altered or emptied: the count goes on.
    const { seq, countedIn } = this.#relations.get(relation.oid) ?? { seq: 0, countedIn: '' };
    const known = { name: nameOf(relation.schema, relation.table), relation, feed: undefined, rows: null, seq, countedIn };
    this.#relations.set(relation.oid, known);
    this.#connect(known);
  }

  wants(oid: number): boolean {
    const known = this.#counted(oid);
    const { feed } = known;
    if (!feed?.wants(this.#commit!.lsn, known.seq)) return false;
    if (known.rows !== null) return true;
    feed.interrupt('shape');
    return false;
  }

  insert(oid: number, row: Tuple): void {
    const known = this.#relations.get(oid)!;
    this.#push(known, [known.rows!.insertOf(row)]);
  }

  update(oid: number, old: Tuple | null, row: Tuple): void {
    const known = this.#relations.get(oid)!;
    this.#push(known, known.rows!.changesOf(old, row));
  }

  delete(oid: number, old: Tuple): void {
    const known = this.#relations.get(oid)!;
    this.#push(known, known.rows!.changesOf(old, null));
  }

  truncate(oids: readonly number[]): void {
    for (const oid of oids) {
      const known = this.#relations.get(oid);
      if (known === undefined) continue;
      this.#counted(oid);
      if (known.feed?.wants(this.#commit!.lsn, known.seq)) known.feed.interrupt('truncate');
    }
  }

  /** Counts the rows of a table within a transaction by twos: a row that gets another key is two changes. */
  #counted(oid: number): KnownRelation {
    const known = this.#relations.get(oid);
    if (known === undefined) throw new Error(`the log tells of the relation ${oid} before it names it`);
    const { lsn } = this.#commit!;
    known.seq = known.countedIn === lsn ? known.seq + 2 : 2;
    known.countedIn = lsn;
    return known;
  }

  #push(known: KnownRelation, changes: ReturnType<LoggedRows['changesOf']>): void {
    const { lsn, committedAtMs } = this.#commit!;
    const first = known.seq - changes.length + 1;
    for (const [at, change] of changes.entries()) {
      const bytes = at === 0 ? this.#messageBytes : 0;
      const { operation, key, data, isPartial, fault } = change;
      const isDelete = operation === 'delete';
      const logged = { operation, key, isPartial: isPartial && !isDelete, fault, committedAtMs, bytes, lsn, seq: first + at };
      if (!known.feed!.wants(lsn, logged.seq)) continue;
      known.feed!.push({ ...logged, data: isDelete ? null : data, keyed: data });
      this.#bufferedBytes += bytes;
    }
    if (this.#bufferedBytes < bufferedBytesMax || this.#paused) return;
    this.#paused = true;
    this.#connection?.pause();
  }

  #drained(bytes: number): void {
    this.#bufferedBytes -= bytes;
    if (!this.#paused || this.#bufferedBytes > bufferedBytesMax / 2) return;
    this.#paused = false;
    this.#connection?.resume();
  }

  #closed(feed: TableFeed): void {
    const name = nameOf(feed.shape.schema, feed.shape.table);
    if (this.#feeds.get(name) === feed) this.#feeds.delete(name);
    for (const known of this.#relations.values()) if (known.feed === feed) known.feed = undefined;
    if (this.#feeds.size === 0) this.#disconnect();
  }

  #connect(known: KnownRelation): void {
    const feed = this.#feeds.get(known.name);
    if (feed === known.feed) return;
    known.feed = feed;
    known.rows =
      feed === undefined || !LoggedRows.fits(feed.shape, known.relation) ? null : new LoggedRows(feed.shape, known.relation);
  }

  #moveTo(lsn: Lsn): void {
    if (lsn <= this.#progress) return;
    this.#progress = lsn;
    for (const feed of this.#feeds.values()) feed.nudge();
  }

  /** One opening at a time; who comes while it is under way is looked after next. */
  async #ensure(): Promise<void> {
    while (this.#opening !== undefined) await this.#opening.catch(() => undefined);
    if (this.#isClosed) throw new SyncError('source.unavailable', 'the source is closed');
    const from = this.#lowest();
    if (this.#connection !== undefined && from !== null && from >= this.#from && from > this.#begun) return;
    if (from === null) return;
    this.#opening = this.#open().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  #lowest(): Lsn | null {
    return [...this.#feeds.values()].reduce<Lsn | null>(
      (low, { queued }) => (low === null || queued.lsn < low ? queued.lsn : low),
      null,
    );
  }

  async #open(): Promise<void> {
    const { database, slot, publication } = this.#options;
    this.#disconnect();
    const connection = await ReplicationConnection.open(database.place);
    try {
      this.#lastPids.add(connection.pid);
      await this.#takeSlot();
      const from = this.#lowest();
      if (from === null || this.#isClosed) throw new SyncError('source.unavailable', 'nobody waits for the log any more');
      this.#from = from;
      this.#begun = '';
      this.#progress = '';
      this.#commit = null;
      this.#relations.clear();
      this.#connection = connection;
      await connection.start(slot, publication, from, {
        message: (bytes, start) => {
          this.#messageBytes = bytes.length - start;
          decodePgoutput(bytes, start, this);
        },
        sentUpTo: (lsn) => {
          if (this.#commit === null) this.#moveTo(lsn);
        },
        ended: (error) => this.#failed(connection, error),
      });
    } catch (error) {
      connection.close();
      this.#disconnect();
      if (sqlStateOf(error) !== '42704') throw error;
      // The publication was made anew, and the log from before does not know it.
      await dropSlot(database, slot);
      throw new SyncError('source.position-lost', `the slot ${slot} does not know the publication ${publication}`, {
        cause: error,
      });
    }
    if (this.#paused) connection.pause();
    this.#timer = setInterval(() => connection.confirm(this.#options.confirmable()), tickMs);
  }

  /** A slot has one reader. Another process of ours is either dead without the server having noticed, or reads the other tables. */
  async #takeSlot(): Promise<void> {
    const { database, slot, nowMs } = this.#options;
    for (let waitedMs = 0; ; waitedMs += slotFreePollMs) {
      const state = await readSlot(database, slot);
      if (state === null) throw new SyncError('source.position-lost', `the slot ${slot} is there no longer`);
      if (state.reader === null) return;
      const { pid, name } = state.reader;
      const isOurs = name === database.place.applicationName;
      if (!isOurs) {
        throw new SyncError(
          'source.misconfigured',
          `the slot ${slot} is read by ${name || 'somebody else'} (process ${pid}): name another one as \`slot\``,
        );
      }
      if (!this.#lastPids.has(pid) && waitedMs === 0) {
        const sinceMs = nowMs() - this.#yieldedAtMs;
        if (sinceMs > yieldedMs) this.#yieldedAtMs = nowMs();
        if (sinceMs > yieldedMs || sinceMs < yieldTogetherMs) {
          throw new SyncError('lease.lost', `the slot ${slot} is read by another process`);
        }
        await database.query('SELECT pg_terminate_backend($1)', [pid]);
      }
      if (waitedMs >= slotFreeWaitMs)
        throw new SyncError('source.unavailable', `the slot ${slot} is not given free by the process ${pid}`);
      await sleep(slotFreePollMs);
    }
  }

  #failed(connection: ReplicationConnection, error: SyncError): void {
    if (this.#connection === connection) this.interrupt(error);
  }

  #disconnect(): void {
    clearInterval(this.#timer);
    this.#connection?.close();
    this.#connection = undefined;
    this.#commit = null;
  }
}

function nameOf(schema: string, table: string): string {
  return `${schema}\0${table}`;
}
