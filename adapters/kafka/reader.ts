import { Consumer, type KafkaRecord, NetworkError, type RecordsBatch } from '@platformatic/kafka';
import type { LogBatch, LogRecord, PartitionRef } from '../../core/ports/event-log.ts';
import { unavailable } from './admin.ts';
import type { KafkaConnection } from './kafkajs-client.ts';
import { type LogEnds, logEnds } from './offsets.ts';

export interface ReadOptions {
  /** Where to begin, by partition; a partition that is not named is read from its beginning. */
  readonly fromOffsets?: ReadonlyMap<number, number>;
  readonly partitions?: readonly number[];
}

/** What one fetch brought of one partition. */
interface Fetched {
  readonly batches: readonly RecordsBatch[];
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  readonly highWatermark: number;
}

const fetchBytesMax = 1024 * 1024;
const requestTimeoutMs = 20_000;
const retries = 10;
const retryDelayMs = 300;

/** Bits of a record batch's attributes. */
const logAppendTime = 1 << 3;
const transactional = 1 << 4;
const control = 1 << 5;

/**
 * Reads a topic from its beginning to where it ends now, one partition after another, outside of any group. What
 * stands there is all of what a consumer would see: no markers, nothing of aborted transactions.
 */
export async function* readTopic(
  connection: KafkaConnection,
  topic: string,
  options: ReadOptions = {},
): AsyncGenerator<LogBatch> {
  const { fromOffsets, partitions } = options;
  const all = await logEnds(connection, [topic]);
  const wanted = all.filter(({ partition }) => partitions === undefined || partitions.includes(partition));
  const consumer = openConsumer(connection);
  try {
    for (const ends of wanted.sort((left, right) => left.partition - right.partition)) {
      yield* readPartition(consumer, ends, Math.max(ends.start, fromOffsets?.get(ends.partition) ?? 0));
    }
  } catch (error) {
    throw error instanceof Error && NetworkError.isRetryable(error) ? unavailable(connection, error) : error;
  } finally {
    await consumer.close(true);
  }
}

type FetchingConsumer = Consumer<Buffer, Buffer, Buffer, Buffer>;

function openConsumer(connection: KafkaConnection): FetchingConsumer {
  return new Consumer({
    clientId: connection.clientId,
    bootstrapBrokers: [...connection.brokers],
    // Named because the library asks for one; it is never joined.
    groupId: `${connection.clientId}-reader`,
    requestTimeout: requestTimeoutMs,
    retries,
    retryDelay: retryDelayMs,
  });
}

async function* readPartition(consumer: FetchingConsumer, ref: PartitionRef & LogEnds, from: number): AsyncGenerator<LogBatch> {
  const { topic, partition, end } = ref;
  let fetchedOffset = from;
  while (fetchedOffset < end) {
    const fetched = await fetchFrom(consumer, ref, fetchedOffset);
    const records = recordsOf(fetched).filter(({ offset }) => offset >= fetchedOffset && offset < end);
    const covered = Math.min(end, endOf(fetched.batches) ?? fetchedOffset);
    if (covered <= fetchedOffset) continue;
    yield { topic, partition, fetchedOffset, records, nextOffset: covered, highWatermark: fetched.highWatermark };
    fetchedOffset = covered;
  }
}

async function fetchFrom(consumer: FetchingConsumer, ref: PartitionRef, offset: number): Promise<Fetched> {
  const { topic, partition } = ref;
  const metadata = await consumer.metadata({ topics: [topic] });
  const { id, partitions } = metadata.topics.get(topic)!;
  const wanted = {
    partition,
    fetchOffset: BigInt(offset),
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    partitionMaxBytes: fetchBytesMax,
  };
  const response = await consumer.fetch({
    node: partitions[partition]!.leader,
    topics: [{ topicId: id, partitions: [wanted] }],
    isolationLevel: 1,
    minBytes: 1,
    maxBytes: fetchBytesMax,
    maxWaitTime: 100,
  });
  const found = response.responses[0]?.partitions[0];
  return {
    batches: found?.records ?? [],
    aborted: found?.abortedTransactions ?? [],
    highWatermark: Number(found?.highWatermark ?? offset),
  };
}

/** One past the last offset that was covered, markers and what was compacted away included. */
function endOf(batches: readonly RecordsBatch[]): number | undefined {
  const last = batches.at(-1);
  return last === undefined ? undefined : Number(last.firstOffset) + last.lastOffsetDelta + 1;
}

function recordsOf({ batches, aborted: transactions }: Fetched): LogRecord[] {
  const pending = [...transactions].sort((left, right) => Number(left.firstOffset - right.firstOffset));
  const aborted = new Set<bigint>();
  const records: LogRecord[] = [];
  for (const batch of batches) {
    while (pending.length > 0 && pending[0]!.firstOffset <= batch.firstOffset) aborted.add(pending.shift()!.producerId);
    // The marker that ends a transaction ends what we know of its producer.
    if ((batch.attributes & control) !== 0) aborted.delete(batch.producerId);
    else if ((batch.attributes & transactional) === 0 || !aborted.has(batch.producerId)) {
      for (const record of batch.records) records.push(logRecordOf(batch, record));
    }
  }
  return records;
}

function logRecordOf(batch: RecordsBatch, record: KafkaRecord): LogRecord {
  const appended = (batch.attributes & logAppendTime) !== 0;
  return {
    offset: Number(batch.firstOffset) + record.offsetDelta,
    key: record.key?.toString('utf8') ?? null,
    value: record.value ?? null,
    headers: Object.fromEntries(
      record.headers.map(([name, value]) => [name?.toString('utf8') ?? '', value?.toString('utf8') ?? '']),
    ),
    timestampMs: Number(appended ? batch.maxTimestamp : batch.firstTimestamp + record.timestampDelta),
  };
}
