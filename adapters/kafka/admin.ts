import type { Admin } from 'kafkajs';
import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { type KafkaConnection, kafkaClient } from './kafkajs-client.ts';

/** About ten seconds of trying: an administrator waits at the other end. */
const adminRetries = 8;

/** Opens an admin client for one piece of work and closes it whatever happens. */
export async function withAdmin<T>(connection: KafkaConnection, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaClient(connection).admin({ retry: { retries: adminRetries } });
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw isSyncError(error) ? error : unavailable(connection, error);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

export function unavailable(connection: KafkaConnection, cause: unknown): SyncError {
  const brokers = connection.brokers.join(', ');
  return new SyncError('kafka.unavailable', `Kafka at ${brokers} does not answer: ${reasonOf(cause)}`, { cause });
}
