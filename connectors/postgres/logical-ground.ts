import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TableSelection } from '../../core/ports/table-reader.ts';
import type { LogicalDatabase } from './logical-database.ts';
import type { TableFeed } from './logical-feed.ts';
import { SlotHolds } from './logical-holds.ts';
import type { LogPlace } from './logical-place.ts';
import { publish } from './logical-publication.ts';
import { LogReader } from './logical-reader.ts';
import { type LogicalShape, readLogicalShape } from './logical-shape.ts';
import { createSlot, dropSlot, readSlot } from './logical-slot.ts';
import { openSnapshot, type TableSnapshot } from './logical-snapshot.ts';
import { type Lsn, lowestLsn } from './pgoutput.ts';
import { TableWatch } from './table-watch.ts';

export interface LogicalGroundOptions {
  readonly database: LogicalDatabase;
  readonly slot: string;
  readonly publication: string;
  readonly kinds: readonly string[];
  /** How long a table that is not read keeps the log. */
  readonly holdMs: number;
  readonly clock: Clock;
}

/** Each keeps a slot and a few connections for as long as it lasts. */
const snapshotsAtOnce = 2;

/** What the tables of one source share: its slot and publication, who reads them, and what the server may forget. */
export class LogicalGround {
  readonly options: LogicalGroundOptions;
  readonly watch: TableWatch;
  readonly #holds: SlotHolds;
  readonly #reader: LogReader;
  readonly #snapshots = new Set<TableSnapshot>();
  #snapshotsWanted: (() => void)[] = [];
  #snapshotsOpen = 0;
  #preparing: Promise<unknown> = Promise.resolve();

  constructor(options: LogicalGroundOptions) {
    const { database, slot, publication, kinds, holdMs, clock } = options;
    const nowMs = () => clock.nowMs();
    this.options = options;
    this.watch = new TableWatch(database, publication, nowMs);
    this.#holds = new SlotHolds(kinds, holdMs, nowMs);
    this.#reader = new LogReader({ database, slot, publication, nowMs, confirmable: () => this.#holds.confirmable() });
  }

  describe(selection: TableSelection): Promise<LogicalShape> {
    return this.options.database.reading(selection.table, (client) => readLogicalShape(client, selection));
  }

  /**
   * Publishes the table and makes sure that the slot has everything behind this place; null: from now on. Returns where
   * the log ends at present.
   */
  prepare(kind: string, shape: LogicalShape, at: LogPlace | null): Promise<Lsn> {
    this.#holds.begun(kind, at?.lsn ?? null);
    const prepared = this.#preparing.then(() => this.#prepare(shape, at));
    this.#preparing = prepared.catch(() => undefined);
    return prepared;
  }

  subscribe(shape: LogicalShape, from: LogPlace, until: Lsn | null): Promise<TableFeed> {
    return this.#reader.subscribe(shape, from, until);
  }

  acknowledge(kind: string, lsn: Lsn): void {
    this.#holds.acknowledged(kind, lsn);
  }

  left(kind: string): void {
    this.#holds.left(kind);
  }

  /** The caller closes it. */
  async snapshot(signal: AbortSignal): Promise<TableSnapshot> {
    while (this.#snapshotsOpen >= snapshotsAtOnce) await this.#snapshotClosed(signal);
    this.#snapshotsOpen++;
    try {
      const snapshot = await openSnapshot(this.options.database, this.options.slot, signal);
      this.#snapshots.add(snapshot);
      return snapshot;
    } catch (error) {
      this.#released();
      throw error;
    }
  }

  async closeSnapshot(snapshot: TableSnapshot): Promise<void> {
    if (!this.#snapshots.delete(snapshot)) return;
    this.#released();
    await snapshot.close();
  }

  async close(): Promise<void> {
    this.#reader.close();
    await Promise.all([...this.#snapshots].map((snapshot) => this.closeSnapshot(snapshot)));
    await this.options.database.close();
  }

  async #prepare(shape: LogicalShape, at: LogPlace | null): Promise<Lsn> {
    const { database, slot, publication } = this.options;
    const isNewPublication = await publish(database, publication, shape, at !== null);
    let state = await readSlot(database, slot);
    if (state !== null && (isNewPublication || state.walStatus === 'lost')) {
      this.#reader.interrupt(new SyncError('source.position-lost', `the slot ${slot} has to be made anew`));
      await dropSlot(database, slot);
      state = await readSlot(database, slot);
      if (state !== null)
        throw new SyncError('source.unavailable', `the slot ${slot} is still read, though it has to be made anew`);
    }
    if (state === null) {
      if (at !== null) throw new SyncError('source.position-lost', `the slot ${slot} is there no longer`);
      await createSlot(database, slot);
      state = await readSlot(database, slot);
    }
    if (state === null) throw new SyncError('source.unavailable', `the slot ${slot} was dropped as soon as it was made`);
    const isForgotten = at !== null && (at.lsn < state.confirmed || at.lsn < (this.#holds.confirmed ?? lowestLsn));
    if (isForgotten) {
      throw new SyncError(
        'source.position-lost',
        `the slot ${slot} has forgotten what ${shape.name} needs, because nobody read it for too long`,
      );
    }
    if (at !== null && at.lsn > state.now) {
      throw new SyncError(
        'source.position-lost',
        `the log of the server ends before what was read of ${shape.name}: it was restored from a backup`,
      );
    }
    return state.now;
  }

  #released(): void {
    this.#snapshotsOpen--;
    for (const wake of this.#snapshotsWanted.splice(0)) wake();
  }

  #snapshotClosed(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    this.#snapshotsWanted.push(resolve);
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }
}
