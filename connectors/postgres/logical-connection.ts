import pg from 'pg';
import type { SyncError } from '../../core/errors.ts';
import { asReplicationError } from './logical-fault.ts';
import { type Lsn, lowestLsn, lsnFromText, lsnText, readLsn } from './pgoutput.ts';
import type { PostgresPlace } from './postgres-pool.ts';
import { quoted } from './table-shape.ts';

/** Values as the table reader asks for them; nothing is shared with others here, so the session keeps them. */
const sessionOptions = ['TimeZone=UTC', 'DateStyle=ISO', 'IntervalStyle=iso_8601', 'extra_float_digits=1', 'bytea_output=hex']
  .map((setting) => `-c ${setting}`)
  .join(' ');

const [logData, keepAlive] = ['w', 'k'].map((letter) => letter.charCodeAt(0));
const headerBytes = 25;
/** 2000-01-01 in microseconds. */
const epochUs = BigInt(Date.UTC(2000, 0, 1)) * 1_000n;
/** A server that asks so often, though it is told every second, wants to stop and waits for what cannot be confirmed. */
const impatientAsks = 5;

export interface LogHandlers {
  /** One message of the plugin, which begins at `start`. */
  message(bytes: Buffer, start: number): void;
  /** Everything before this has been sent. */
  sentUpTo(lsn: Lsn): void;
  /** Called once; nothing else is called afterwards. */
  ended(error: SyncError): void;
}

/** What `pg` has and its types do not tell. */
interface Wire {
  readonly stream: { pause(): void; resume(): void; destroy(): void };
  on(event: 'copyData', listener: (message: { readonly chunk: Buffer }) => void): void;
  once(event: 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
  end(): void;
}

/** A connection that speaks the replication protocol. */
export class ReplicationConnection {
  readonly #client: pg.Client;
  readonly #wire: Wire;
  readonly #applicationName: string;
  #handlers: LogHandlers | undefined;
  #asks = 0;
  #ended = false;

  private constructor(client: pg.Client, applicationName: string) {
    this.#client = client;
    this.#wire = (client as unknown as { connection: Wire }).connection;
    this.#applicationName = applicationName;
    client.on('error', (error) => this.#end(error));
    client.on('end', () => this.#end(new Error('the connection was closed')));
  }

  static async open({ url, timeoutMs, applicationName }: PostgresPlace): Promise<ReplicationConnection> {
    const options = {
      connectionString: url,
      replication: 'database',
      application_name: applicationName,
      options: sessionOptions,
      connectionTimeoutMillis: Math.min(timeoutMs, 10_000),
      keepAlive: true,
    };
    const client = new pg.Client(options);
    const connection = new ReplicationConnection(client, applicationName);
    try {
      await client.connect();
    } catch (error) {
      connection.close();
      throw asReplicationError(error, applicationName);
    }
    return connection;
  }

  get pid(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  get isOpen(): boolean {
    return !this.#ended;
  }

  /** One command of the replication protocol. */
  async command<Row extends pg.QueryResultRow>(text: string): Promise<Row> {
    try {
      return (await this.#client.query<Row>(text)).rows[0]!;
    } catch (error) {
      throw asReplicationError(error, this.#applicationName);
    }
  }

  /** Resolves when the log flows. */
  start(slot: string, publication: string, from: Lsn, handlers: LogHandlers): Promise<void> {
    const names = quoted(publication).replaceAll("'", "''");
    const text = `START_REPLICATION SLOT ${quoted(slot)} LOGICAL ${lsnText(from)} (proto_version '1', publication_names '${names}')`;
    return new Promise((resolve, reject) => {
      this.#handlers = { ...handlers, ended: reject };
      this.#wire.once('replicationStart', () => {
        this.#handlers = handlers;
        resolve();
      });
      this.#wire.on('copyData', ({ chunk }) => this.#receive(chunk));
      // Answered when the stream ends; `pg` drops copied data while no query stands.
      this.#client.query(text).then(
        () => this.#end(new Error('the server ended the stream')),
        (error: unknown) => this.#end(error),
      );
    });
  }

  pause(): void {
    this.#wire.stream.pause();
  }

  resume(): void {
    this.#wire.stream.resume();
  }

  /** The server may forget what lies before, and is asked how far it is. */
  confirm(lsn: Lsn | null): void {
    if (this.#ended) return;
    const bytes = Buffer.alloc(34);
    bytes.write('r', 0, 'latin1');
    const text = lsn ?? lowestLsn;
    for (const at of [1, 9, 17]) bytes.write(text, at, 'hex');
    bytes.writeBigInt64BE(BigInt(Date.now()) * 1_000n - epochUs, 25);
    bytes[33] = 1;
    this.#wire.sendCopyFromChunk(bytes);
  }

  /** Nothing is heard of it any more; the server gives the slot free as soon as it notices. */
  close(): void {
    this.#handlers = undefined;
    this.#ended = true;
    this.#wire.end();
    this.#wire.stream.resume();
    this.#wire.stream.destroy();
  }

  #receive(chunk: Buffer): void {
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    try {
      if (chunk[0] === logData) {
        this.#asks = 0;
        handlers.message(chunk, headerBytes);
      } else if (chunk[0] === keepAlive) this.#heard(chunk, handlers);
    } catch (error) {
      this.#end(error);
      this.close();
    }
  }

  #heard(chunk: Buffer, handlers: LogHandlers): void {
    handlers.sentUpTo(readLsn(chunk, 1));
    if (chunk[17] !== 1 || ++this.#asks < impatientAsks) return;
    this.#end(new Error('the server is stopping'));
    this.close();
  }

  #end(error: unknown): void {
    this.#ended = true;
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.ended(asReplicationError(error, this.#applicationName));
  }
}

export interface ExportedSnapshot {
  /** Every transaction that committed before is in it, and none that committed later. */
  readonly lsn: Lsn;
  readonly name: string;
}

/**
 * The one way to a snapshot that agrees with the log to the transaction: a commit may stand in the log before others can
 * see it, so a position that is read beside a snapshot is never exactly the snapshot's. It lives as long as the connection.
 */
export async function exportSnapshot(connection: ReplicationConnection, slot: string): Promise<ExportedSnapshot> {
  const row = await connection.command<{ consistent_point: string; snapshot_name: string }>(
    `CREATE_REPLICATION_SLOT ${quoted(slot)} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
  );
  return { lsn: lsnFromText(row.consistent_point), name: row.snapshot_name };
}
