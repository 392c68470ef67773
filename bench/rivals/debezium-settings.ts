import type { ConnectorSettings } from './connect-worker.ts';

export interface DebeziumSource {
  /** Of the database that is read. */
  readonly url: string;
  readonly table: string;
  /** What its topics begin with. */
  readonly prefix: string;
  /** Of slot and publication. */
  readonly slot: string;
  readonly snapshot: 'initial' | 'no_data';
}

/** Large batches, as the rival's own documentation advises for throughput. */
const forThroughput: ConnectorSettings = {
  'max.batch.size': '8192',
  'max.queue.size': '32768',
  'snapshot.fetch.size': '10000',
  'poll.interval.ms': '50',
  'producer.override.batch.size': '524288',
  'producer.override.linger.ms': '20',
  'producer.override.compression.type': 'lz4',
  'producer.override.buffer.memory': '134217728',
  'producer.override.max.request.size': '4194304',
};

/** Told on at once; its defaults take ten times as long. */
export const forLatency: ConnectorSettings = { 'poll.interval.ms': '10', 'producer.override.linger.ms': '0' };

/** Records with their schemas, which the sink needs, and without the envelope. */
export const forSink: ConnectorSettings = {
  ...withSchemas(),
  'decimal.handling.mode': 'precise',
  transforms: 'unwrap',
  'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
};

export function debeziumSource({ url, table, prefix, slot, snapshot }: DebeziumSource): ConnectorSettings {
  const address = new URL(url);
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': '1',
    'database.hostname': address.hostname,
    'database.port': address.port,
    'database.user': decodeURIComponent(address.username),
    'database.password': decodeURIComponent(address.password),
    'database.dbname': address.pathname.slice(1),
    'plugin.name': 'pgoutput',
    'slot.name': slot,
    'publication.name': slot,
    'publication.autocreate.mode': 'filtered',
    'table.include.list': `public.${table}`,
    'topic.prefix': prefix,
    'snapshot.mode': snapshot,
    'decimal.handling.mode': 'string',
    ...forThroughput,
  };
}

/** Where a change of the table stands. */
export function debeziumTopic(prefix: string, table: string): string {
  return `${prefix}.public.${table}`;
}

export interface JdbcSink {
  readonly topic: string;
  readonly url: string;
  readonly table: string;
  readonly key: string;
}

const sinkBatch = '2000';

export function jdbcSink({ topic, url, table, key }: JdbcSink): ConnectorSettings {
  const address = new URL(url);
  return {
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    'tasks.max': '1',
    topics: topic,
    'connection.url': `jdbc:postgresql://${address.host}${address.pathname}?reWriteBatchedInserts=true`,
    'connection.username': decodeURIComponent(address.username),
    'connection.password': decodeURIComponent(address.password),
    'insert.mode': 'upsert',
    'primary.key.mode': 'record_key',
    'primary.key.fields': key,
    'schema.evolution': 'none',
    'collection.name.format': table,
    'batch.size': sinkBatch,
    'consumer.override.max.poll.records': sinkBatch,
    'consumer.override.max.partition.fetch.bytes': '4194304',
    ...withSchemas(),
  };
}

function withSchemas(): ConnectorSettings {
  const converters = ['key', 'value'].flatMap((part) => [
    [`${part}.converter`, 'org.apache.kafka.connect.json.JsonConverter'],
    [`${part}.converter.schemas.enable`, 'true'],
  ]);
  return Object.fromEntries(converters);
}
