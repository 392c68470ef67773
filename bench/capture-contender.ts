import { createSourceDesk } from '../adapters/postgres/source-desk.ts';
import type { SourceDesk, StreamRef } from '../core/ports/source-store.ts';
import { type CaptureTable, tableName } from './capture-table.ts';
import { type ArrivedRow, CaptureTopic } from './capture-topic.ts';
import type { Watched } from './meter.ts';
import type { Rig } from './rig.ts';
import type { ConnectorSettings, ConnectWorker } from './rivals/connect-worker.ts';
import { debeziumSource, debeziumTopic } from './rivals/debezium-settings.ts';

export type Side = 'ours' | 'debezium';

/** Whoever tells the changes of the table to a topic. Its process stays as it is while it is stopped: warm. */
export interface Contender {
  readonly name: Side;
  readonly topic: CaptureTopic;
  readonly watched: Watched;
  readonly rowOf: ArrivedRow;
  resume(): Promise<void>;
  /** Resolves when it reads nothing any more; it knows where it was. */
  stop(): Promise<void>;
  /** Throws where it has failed. */
  check(): Promise<void>;
  close(): Promise<void>;
}

const sourceBatchRows = 4_000;

/** The configuration of sources of these names, all of which read the one table. */
export function sourcesText(names: readonly string[], options: string): string {
  const source = (name: string) =>
    `  ${name}: { connector: postgres, url: "\${SHOP_URL}", entities: { ${tableName}: ${options} } }\n`;
  return `polling: { batchRecordsMax: ${sourceBatchRows} }\nsources:\n${names.map(source).join('')}`;
}

/** A stream of the role `source`. */
export class OurSource implements Contender {
  readonly name = 'ours';
  readonly topic: CaptureTopic;
  readonly rowOf = ourRow;
  readonly #rig: Rig;
  readonly #table: CaptureTable;
  readonly #desk: SourceDesk;
  readonly #ref: StreamRef;

  private constructor(rig: Rig, table: CaptureTable, topic: CaptureTopic, source: string) {
    this.topic = topic;
    this.#rig = rig;
    this.#table = table;
    this.#desk = createSourceDesk(rig.pool);
    this.#ref = { source, stream: tableName };
  }

  static async open(rig: Rig, table: CaptureTable, source: string): Promise<OurSource> {
    return new OurSource(rig, table, await CaptureTopic.open(rig, `source.${source}.${tableName}`), source);
  }

  get watched(): Watched {
    return Object.fromEntries(this.#rig.roles.map(({ role, pid }) => [role, pid]));
  }

  async resume(): Promise<void> {
    await this.#desk.resume(this.#ref);
  }

  async stop(): Promise<void> {
    await this.#desk.pause(this.#ref, 'the benchmark');
    await this.#table.slotIsFree(`syncline_${this.#ref.source}`);
  }

  async check(): Promise<void> {
    const { rows } = await this.#rig.pool.query<{ reason: string }>(
      'SELECT reason FROM source_streams WHERE source = $1 AND reason IS NOT NULL',
      [this.#ref.source],
    );
    if (rows[0] !== undefined) throw new Error(`${this.#ref.source}: ${rows[0].reason}`);
  }

  close(): Promise<void> {
    return this.topic.close();
  }
}

/** Before the role starts: a stream of a source that is to begin later. */
export async function beginPaused(rig: Rig, source: string): Promise<void> {
  await rig.pool.query(`INSERT INTO source_streams (source, stream, token, state) VALUES ($1, $2, 1, 'paused')`, [
    source,
    tableName,
  ]);
}

export interface RivalOptions {
  /** Of slot, publication and topic as well. */
  readonly name: string;
  readonly snapshot: 'initial' | 'no_data';
  readonly rowOf?: ArrivedRow;
  readonly settings?: ConnectorSettings;
}

/** A Debezium connector. */
export class DebeziumCapture implements Contender {
  readonly name = 'debezium';
  readonly topic: CaptureTopic;
  readonly rowOf: ArrivedRow;
  readonly watched: Watched;
  readonly #worker: ConnectWorker;
  readonly #table: CaptureTable;
  readonly #options: RivalOptions;

  private constructor(worker: ConnectWorker, table: CaptureTable, topic: CaptureTopic, options: RivalOptions) {
    this.topic = topic;
    this.rowOf = options.rowOf ?? debeziumRow;
    this.watched = { connect: worker.pid };
    this.#worker = worker;
    this.#table = table;
    this.#options = options;
  }

  /** Its topic is there; it is made by `start`. */
  static async open(worker: ConnectWorker, table: CaptureTable, options: RivalOptions): Promise<DebeziumCapture> {
    const topic = await CaptureTopic.open(table.rig, debeziumTopic(options.name, tableName));
    return new DebeziumCapture(worker, table, topic, options);
  }

  /** Makes it, or starts it anew with further settings. */
  async start(further: ConnectorSettings = {}): Promise<void> {
    const { name, snapshot, settings } = this.#options;
    const source = debeziumSource({ url: this.#table.url, table: tableName, prefix: name, slot: name, snapshot });
    await this.#worker.put(name, { ...source, ...settings, ...further });
  }

  resume(): Promise<void> {
    return this.#worker.resume(this.#options.name);
  }

  async stop(): Promise<void> {
    await this.#worker.stop(this.#options.name);
    await this.#table.slotIsFree(this.#options.name);
  }

  check(): Promise<void> {
    return this.#worker.check(this.#options.name);
  }

  close(): Promise<void> {
    return this.topic.close();
  }
}

interface TableRow {
  readonly id: number;
  readonly version: number;
}

function ourRow(value: Buffer): TableRow | null {
  return (JSON.parse(value.toString('utf8')) as { data: TableRow | null }).data;
}

function debeziumRow(value: Buffer): TableRow | null {
  return (JSON.parse(value.toString('utf8')) as { after: TableRow | null }).after;
}
