import pg from 'pg';

export interface PostgresPlace {
  readonly url: string;
  readonly connectionsMax: number;
  /** How long one question may take. */
  readonly timeoutMs: number;
  /** What the server's list of connections calls us. */
  readonly applicationName: string;
}

/** No connection was to be had: what was to be asked over it is not at fault. */
export class NotConnected extends Error {
  constructor(cause: unknown) {
    super('no connection to the database', { cause });
  }
}

const connectTimeoutMs = 10_000;

/** A few connections to one database. What broke is replaced at the next use. */
export class PostgresPool {
  readonly place: PostgresPlace;
  readonly #pool: pg.Pool;

  constructor(place: PostgresPlace) {
    this.place = place;
    this.#pool = new pg.Pool({
      connectionString: place.url,
      max: place.connectionsMax,
      application_name: place.applicationName,
      connectionTimeoutMillis: Math.min(place.timeoutMs, connectTimeoutMs),
      // The server gives up first, so that the outcome is known; the client does where the server is gone.
      query_timeout: place.timeoutMs + 1_000,
      keepAlive: true,
    });
    // Without listeners a connection that breaks would stop the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  /** One statement on its own. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#pool.query<Row>(text, [...values])).rows;
  }

  /**
   * Committed when the work is done, rolled back when it fails. `begin` sets with SET LOCAL what the work relies on: a
   * pooler would refuse, or carry to others, what is set for longer.
   */
  async transact<T>(begin: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw new NotConnected(error);
    });
    let broken: Error | undefined;
    try {
      await client.query(`${begin}; SET LOCAL statement_timeout = ${Math.ceil(this.place.timeoutMs)}`);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((failed: Error) => {
        broken = failed;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** No work may be under way. */
  async close(): Promise<void> {
    await this.#pool.end();
  }
}
