import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Rig } from './rig.ts';

export const tableName = 'item';

const rowsPerTransaction = 1_000;
const fillRows = 100_000;
const slotMsMax = 60_000;
const pollMs = 50;

/** Ten columns in about 250 bytes; `version` tells how often a row was changed. */
export const columns = `id INT PRIMARY KEY, sku TEXT NOT NULL, name TEXT, description TEXT, price NUMERIC(10,2), stock INT, category TEXT,
  active BOOLEAN, version INT NOT NULL, changed_at TIMESTAMPTZ NOT NULL`;

/** `n` stands for the row, `$1` for its version. */
const values = `'sku-' || lpad(n::text, 8, '0'), 'Cordless drill ' || n || ' edition ' || $1,
  'Brushless motor, two batteries, charger and case; lot ' || (n * 7 + $1) || ', inspected by hand and packed in recycled board',
  10 + (n + $1) % 900 + 0.25, (n + 17 * $1) % 5000, 'Tools/Drills/' || (n + $1) % 50, (n + $1) % 2 = 0, $1, clock_timestamp()`.replaceAll(
  '$1',
  '$1::int',
);

/** A table in a database of its own, on the server of the rig, that is changed in full view of everybody who reads its log. */
export class CaptureTable {
  readonly rig: Rig;
  readonly url: string;
  readonly pool: pg.Pool;
  #rows = 0;
  #version = 0;
  #changes = 0;

  private constructor(rig: Rig, url: string) {
    this.rig = rig;
    this.url = url;
    this.pool = new pg.Pool({ connectionString: url, max: 4 });
    this.pool.on('error', () => undefined);
  }

  static async create(rig: Rig, url: string, rows: number): Promise<CaptureTable> {
    await rig.pool.query(`CREATE DATABASE ${new URL(url).pathname.slice(1)}`);
    const table = new CaptureTable(rig, url);
    await table.pool.query(`CREATE TABLE ${tableName} (${columns}) WITH (fillfactor = 45)`);
    for (let from = 1; from <= rows; from += fillRows) {
      rig.signal.throwIfAborted();
      const text = `INSERT INTO ${tableName} SELECT n, ${values} FROM generate_series($2::int, $3::int) AS n`;
      await table.pool.query(text, [0, from, Math.min(rows, from + fillRows - 1)]);
    }
    await table.pool.query(`VACUUM ANALYZE ${tableName}`);
    await table.pool.query('CHECKPOINT');
    table.#rows = rows;
    return table;
  }

  get rows(): number {
    return this.#rows;
  }

  get version(): number {
    return this.#version;
  }

  /** How often a row was changed since the table was filled. */
  get changes(): number {
    return this.#changes;
  }

  /** Every row once, a thousand a transaction. */
  async changeAll(): Promise<void> {
    this.#version++;
    this.#changes += this.#rows;
    for (let from = 1; from <= this.#rows; from += rowsPerTransaction) {
      this.rig.signal.throwIfAborted();
      await this.pool.query({
        name: 'bench-change',
        text: changeText,
        values: [this.#version, from, from + rowsPerTransaction - 1],
      });
    }
  }

  /** So many rows, each in a transaction of its own, at a fixed rate whatever becomes of them. */
  async changePaced(count: number, perSecond: number): Promise<void> {
    this.#version++;
    this.#changes += count;
    const beganMs = performance.now();
    const running = new Set<Promise<unknown>>();
    for (let n = 0; n < count; n++) {
      const waitMs = beganMs + (n * 1_000) / perSecond - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: this.rig.signal });
      const change = this.pool.query({ name: 'bench-change', text: changeText, values: [this.#version, n + 1, n + 1] });
      running.add(change);
      void change.finally(() => running.delete(change)).catch(() => undefined);
    }
    await Promise.all(running);
  }

  /** When each of the rows of this version was committed, just before its log was flushed. */
  async commitTimes(): Promise<ReadonlyMap<number, number>> {
    const { rows } = await this.pool.query<{ id: number; ms: number }>(
      `SELECT id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS ms FROM ${tableName} WHERE version = $1`,
      [this.#version],
    );
    return new Map(rows.map(({ id, ms }) => [id, ms]));
  }

  /** Nobody reads the slot: whoever was to stop has stopped. */
  slotIsFree(slot: string): Promise<void> {
    return this.#slotUntil(slot, false);
  }

  slotIsRead(slot: string): Promise<void> {
    return this.#slotUntil(slot, true);
  }

  async #slotUntil(slot: string, isRead: boolean): Promise<void> {
    for (let waitedMs = 0; waitedMs < slotMsMax; waitedMs += pollMs) {
      const { rows } = await this.pool.query('SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active', [slot]);
      if (rows.length > 0 === isRead) return;
      await sleep(pollMs, undefined, { signal: this.rig.signal });
    }
    throw new Error(`the slot ${slot} is ${isRead ? 'not' : 'still'} read after ${slotMsMax / 1_000} s`);
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

const changeText = `UPDATE ${tableName} SET (sku, name, description, price, stock, category, active, version, changed_at) =
    ROW(${values.replaceAll(/\bn\b/g, 'id')}) WHERE id BETWEEN $2::int AND $3::int`;
