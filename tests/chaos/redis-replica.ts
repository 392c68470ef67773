import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { claimPort } from '../../stack/ports.ts';
import { provideRedis } from '../../stack/redis.ts';

export interface RedisReplica {
  readonly port: number;
  /** Follows nobody any more, and does not yet know that it is the primary: it stays as old as it is now. */
  detach(): Promise<void>;
  promote(): Promise<void>;
  stop(): Promise<void>;
}

const syncTriesMax = 200;

/** A second server that has everything the first one has when this resolves. */
export async function startReplica(primaryPort: number, folder: string): Promise<RedisReplica> {
  const port = await claimPort();
  const directory = join(folder, `redis-replica-${port}`);
  mkdirSync(directory, { recursive: true });
  const file = await provideRedis({ onProgress: () => undefined });
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  const server = spawn(file, [...settings, '--replicaof', '127.0.0.1', String(primaryPort)], { stdio: 'ignore' });
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50 });
  client.on('error', () => undefined);
  for (let attempt = 0; !(await client.info('replication')).includes('master_link_status:up'); attempt++) {
    if (attempt > syncTriesMax) throw new Error('the replica never caught up');
    await sleep(50);
  }
  return {
    port,
    async detach() {
      // A port on which nobody listens: it remains a replica and hears nothing.
      await client.replicaof('127.0.0.1', 1);
    },
    async promote() {
      await client.replicaof('NO', 'ONE');
    },
    async stop() {
      client.disconnect();
      await ended(server);
    },
  };
}

function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
  });
}
