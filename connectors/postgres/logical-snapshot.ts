import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SyncError } from '../../core/errors.ts';
import type { KeyBound, KeyRange, TableReader, TableRow, TableShape } from '../../core/ports/table-reader.ts';
import { exportSnapshot, ReplicationConnection } from './logical-connection.ts';
import type { LogicalDatabase } from './logical-database.ts';
import type { Lsn } from './pgoutput.ts';
import { PostgresTableReader } from './postgres-table-reader.ts';

/** A table at one moment, which the log knows exactly. */
export interface TableSnapshot {
  readonly lsn: Lsn;
  readonly reader: TableReader;
  close(): Promise<void>;
}

const connectionsMax = 3;
const pagesAhead = 3;

export async function openSnapshot(database: LogicalDatabase, slot: string, signal: AbortSignal): Promise<TableSnapshot> {
  const connection = await ReplicationConnection.open(database.place);
  try {
    const name = `${slot}_${randomBytes(4).toString('hex')}`;
    const { lsn, name: snapshot } = await withinTime(exportSnapshot(connection, name), database, signal);
    const reader = new ReadAhead({ ...database.place, connectionsMax, snapshot });
    return {
      lsn,
      reader,
      async close() {
        connection.close();
        await reader.close();
      },
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The server waits for every transaction that is open: who has forgotten one is named. */
async function withinTime<T>(work: Promise<T>, database: LogicalDatabase, signal: AbortSignal): Promise<T> {
  const timer = new AbortController();
  const late = sleep(database.place.timeoutMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).then(
    async (): Promise<never> => {
      const [oldest] = await database.query<{ said: string }>(
        `SELECT format('process %s of %s, open since %s', pid, usename, xact_start) AS said FROM pg_stat_activity
       WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1`,
      );
      throw new SyncError(
        'source.unavailable',
        `no snapshot could be taken while transactions are open: ${oldest?.said ?? 'none that can be seen'}`,
      );
    },
  );
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    timer.abort();
  }
}

/** Reads the next pages of a table while the last one is on its way to Kafka. */
class ReadAhead extends PostgresTableReader {
  #chain: PageChain | undefined;

  override async rows(shape: TableShape, range: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    const isOpen = range.upTo === null && columns === 'all';
    const isNext = isOpen && this.#chain?.limit === limit && this.#chain.after === textOf(range.after);
    if (!isNext) this.#forget();
    const rows = await (this.#chain?.next() ?? super.rows(shape, range, limit, columns));
    const last = rows.at(-1);
    if (!isOpen || last === undefined || rows.length < limit) this.#forget();
    else {
      this.#chain ??= new PageChain((after) => super.rows(shape, { after, upTo: null }, limit, 'all'), limit, last.bound);
      this.#chain.after = textOf(last.bound);
    }
    return rows;
  }

  override async close(): Promise<void> {
    this.#forget();
    await super.close();
  }

  #forget(): void {
    this.#chain?.stop();
    this.#chain = undefined;
  }
}

type PageAfter = (after: KeyBound) => Promise<readonly TableRow[]>;

/** Pages that follow each other; each is asked for as soon as the one before it is there. */
class PageChain {
  /** The end of the page that was handed out last. */
  after = '';
  readonly limit: number;
  readonly #pageAfter: PageAfter;
  readonly #pages: Promise<readonly TableRow[]>[] = [];
  #isStopped = false;
  #moreWanted: () => void = () => undefined;

  constructor(pageAfter: PageAfter, limit: number, from: KeyBound) {
    this.#pageAfter = pageAfter;
    this.limit = limit;
    this.#read(from).catch(() => undefined);
  }

  /** Undefined where nothing is under way: the page has to be asked for. */
  next(): Promise<readonly TableRow[]> | undefined {
    const page = this.#pages.shift();
    this.#moreWanted();
    return page;
  }

  stop(): void {
    this.#isStopped = true;
    this.#moreWanted();
  }

  async #read(from: KeyBound): Promise<void> {
    for (let after: KeyBound | undefined = from; after !== undefined && !this.#isStopped; ) {
      const page = this.#pageAfter(after);
      // Whoever takes the page hears of its failure.
      page.catch(() => undefined);
      this.#pages.push(page);
      const rows = await page;
      after = rows.length < this.limit ? undefined : rows.at(-1)?.bound;
      while (this.#pages.length >= pagesAhead && !this.#isStopped) await this.#wanted();
    }
  }

  #wanted(): Promise<void> {
    return new Promise((resolve) => {
      this.#moreWanted = resolve;
    });
  }
}

function textOf(bound: KeyBound | null): string {
  return JSON.stringify(bound);
}
