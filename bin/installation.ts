import { ensureTopics } from '../adapters/kafka/topics.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPool } from '../adapters/postgres/pool.ts';
import type { SynclineConfig } from '../core/config/config.ts';
import { topicNames } from '../core/topics.ts';
import type { Addresses } from './addresses.ts';
import { entityPlans, topicDeclarations } from './roles/entity-plans.ts';

/** Tables and topics as this version and configuration need them. Safe to repeat, also by several at once. */
export async function prepareInstallation(
  config: SynclineConfig,
  addresses: Addresses,
  say: (line: string) => void,
): Promise<void> {
  const pool = createPool({ url: addresses.postgres, connectionsMax: 2, applicationName: 'syncline-init' });
  try {
    const { applied, present } = await migrate(pool);
    say(applied.length > 0 ? `tables: ${applied.join(', ')} applied` : `tables: up to date (${present} migrations)`);
  } finally {
    await pool.end();
  }
  const topics = topicNames(config.topicPrefix);
  const declarations = topicDeclarations(config, topics, entityPlans(config, topics));
  await ensureTopics({ brokers: addresses.kafka, clientId: 'syncline-init' }, declarations, {
    replicationFactor: config.kafka.replicationFactor,
  });
  say(`topics: ${declarations.length} in place`);
}
