import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin, type ITopicConfig } from 'kafkajs';
import { SyncError } from '../../core/errors.ts';
import type { TopicCleanup, TopicDeclaration } from '../../core/topics.ts';
import { withAdmin } from './admin.ts';
import type { KafkaConnection } from './kafkajs-client.ts';

export interface TopicOptions {
  readonly replicationFactor: number;
  readonly recordBytesMax?: number;
  /** How long history is kept on topics that age. */
  readonly retentionMs?: number;
}

/** Room for a record at our limit with its envelope, before compression. */
const recordBytesMaxDefault = 8 * 1024 * 1024;
const leaderAttempts = 100;
const leaderDelayMs = 100;
const retentionDefaultMs = 7 * 24 * 60 * 60 * 1_000;

/**
 * Creates the topics that are missing. One that exists with another number of partitions is refused: keys would
 * change their partition and with it their order.
 */
export async function ensureTopics(
  connection: KafkaConnection,
  declarations: readonly TopicDeclaration[],
  options: TopicOptions,
): Promise<void> {
  await withAdmin(connection, async (admin) => {
    const existing = new Set(await admin.listTopics());
    const missing = declarations.filter(({ name }) => !existing.has(name));
    if (missing.length > 0) await createTopics(admin, missing, options);
    await refuseOtherPartitionCounts(admin, declarations);
  });
}

async function createTopics(admin: Admin, missing: readonly TopicDeclaration[], options: TopicOptions): Promise<void> {
  const topics: ITopicConfig[] = missing.map(({ name, partitions, cleanup }) => ({
    topic: name,
    numPartitions: partitions,
    replicationFactor: options.replicationFactor,
    configEntries: configEntries(cleanup, options),
  }));
  try {
    await admin.createTopics({ topics, waitForLeaders: false });
  } catch (error) {
    // Another process was creating the same topics at the same moment: the count is compared afterwards.
    if (!isTopicExists(error)) throw error;
  }
}

function configEntries(cleanup: TopicCleanup, options: TopicOptions): { name: string; value: string }[] {
  const common = {
    'message.timestamp.type': 'LogAppendTime',
    'max.message.bytes': String(options.recordBytesMax ?? recordBytesMaxDefault),
  };
  const entries = { ...common, ...cleanupEntries(cleanup, options.retentionMs ?? retentionDefaultMs) };
  return Object.entries(entries).map(([name, value]) => ({ name, value }));
}

function cleanupEntries(cleanup: TopicCleanup, retentionMs: number): Record<string, string> {
  switch (cleanup) {
    case 'age':
      return { 'cleanup.policy': 'delete', 'retention.ms': String(retentionMs) };
    case 'compact':
      return { 'cleanup.policy': 'compact' };
    case 'keep':
      return { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };
  }
}

async function refuseOtherPartitionCounts(admin: Admin, declarations: readonly TopicDeclaration[]): Promise<void> {
  const counts = await partitionCounts(
    admin,
    declarations.map(({ name }) => name),
  );
  for (const { name, partitions } of declarations) {
    const found = counts.get(name);
    if (found === partitions) continue;
    throw new SyncError(
      'kafka.partitions-differ',
      `Topic ${name} has ${found ?? 'no'} partitions, the configuration says ${partitions}`,
      { details: { topic: name, found: found ?? 0, configured: partitions } },
    );
  }
}

/** The broker that is asked may not have heard yet of what another has just created. */
async function partitionCounts(admin: Admin, names: string[]): Promise<Map<string, number>> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: names });
      if (topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)) || attempt === leaderAttempts) {
        return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
      }
    } catch (error) {
      if (attempt === leaderAttempts || !isNotYetKnown(error)) throw error;
    }
    await sleep(leaderDelayMs);
  }
}

function isNotYetKnown(error: unknown): boolean {
  const type = error instanceof kafkajs.KafkaJSProtocolError ? error.type : undefined;
  return type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'LEADER_NOT_AVAILABLE';
}

function isTopicExists(error: unknown): boolean {
  if (!(error instanceof kafkajs.KafkaJSAggregateError)) return false;
  return error.errors.every((inner) => inner instanceof kafkajs.KafkaJSProtocolError && inner.type === 'TOPIC_ALREADY_EXISTS');
}
