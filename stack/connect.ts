import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../core/errors.ts';
import { lastLines, runCommand } from './command.ts';
import { type Java, provideJava } from './java.ts';
import { copyArtifact, copyConnectJars, verifyArtifacts } from './maven.ts';
import { type FetchContext, fetchOnce } from './package-cache.ts';
import type { ServiceCommand } from './service-process.ts';

const kafkaVersion = '4.3.1';
const debeziumVersion = '3.6.0.Final';
const debeziumConnectors = ['postgres', 'jdbc'] as const;
const cacheName = `connect-${kafkaVersion}-debezium-${debeziumVersion}`;
const javaMajorMin = 17;
const why = 'Kafka Connect runs on it';
const logConfiguration = fileURLToPath(new URL('connect-log4j2.xml', import.meta.url));

/** Kafka Connect with Debezium's connectors, as far as it lies on the disk. */
export interface ConnectRuntime {
  readonly java: Java;
  readonly folder: string;
}

export interface ConnectWorkerSettings {
  readonly brokers: string;
  readonly port: number;
  /** Its own, for configuration and log. */
  readonly directory: string;
  readonly heapMb: number;
}

/** The jars and plugins and a Java to run them on: fetched once. */
export async function provideConnect(context: FetchContext): Promise<ConnectRuntime> {
  const java = await provideJava(javaMajorMin, why, context);
  const folder = await fetchOnce(cacheName, context, async (target) => {
    const download = `${target}.download`;
    rmSync(download, { recursive: true, force: true });
    await copyConnectJars(download, context);
    for (const name of debeziumConnectors) {
      await copyArtifact(`io.debezium:debezium-connector-${name}:${debeziumVersion}:tar.gz:plugin`, download, context);
    }
    await verifyArtifacts('connect', download);
    await layOut(download, target);
    rmSync(download, { recursive: true, force: true });
  });
  return { java, folder };
}

async function layOut(download: string, target: string): Promise<void> {
  const [jars, plugins] = [join(target, 'jars'), join(target, 'plugins')];
  for (const folder of [jars, plugins]) mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(download)) {
    if (file.endsWith('.jar')) {
      renameSync(join(download, file), join(jars, file));
      continue;
    }
    const outcome = await runCommand('tar', ['-xzf', join(download, file), '-C', plugins]);
    if (!outcome.succeeded) throw new SyncError('stack.fetch-failed', `connect: cannot unpack:\n  ${lastLines(outcome.output)}`);
  }
}

/** A worker of a group of its own, whose topics are named after its port. */
export function connectCommand({ java, folder }: ConnectRuntime, settings: ConnectWorkerSettings): ServiceCommand {
  const { directory, heapMb } = settings;
  const properties = join(directory, 'worker.properties');
  mkdirSync(directory, { recursive: true });
  const lines = Object.entries(workerProperties(folder, settings)).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(properties, lines.join(''));
  const jars = readdirSync(join(folder, 'jars')).sort();
  return {
    file: java.binary,
    args: [
      '-Xms256m',
      `-Xmx${heapMb}m`,
      '-XX:+ExitOnOutOfMemoryError',
      '-Djava.awt.headless=true',
      `-Dlog4j2.configurationFile=${logConfiguration}`,
      '-cp',
      jars.map((jar) => join(folder, 'jars', jar)).join(':'),
      'org.apache.kafka.connect.cli.ConnectDistributed',
      properties,
    ],
    directory,
    stopSignal: 'SIGTERM',
    logFile: join(directory, 'connect.log'),
  };
}

function workerProperties(folder: string, { brokers, port }: ConnectWorkerSettings): Record<string, string> {
  const json = 'org.apache.kafka.connect.json.JsonConverter';
  return {
    'bootstrap.servers': brokers,
    'group.id': `connect-${port}`,
    'key.converter': json,
    'value.converter': json,
    'key.converter.schemas.enable': 'false',
    'value.converter.schemas.enable': 'false',
    'offset.storage.topic': `connect-offsets-${port}`,
    'offset.storage.replication.factor': '1',
    'offset.storage.partitions': '3',
    'config.storage.topic': `connect-configs-${port}`,
    'config.storage.replication.factor': '1',
    'status.storage.topic': `connect-status-${port}`,
    'status.storage.replication.factor': '1',
    'status.storage.partitions': '3',
    'offset.flush.interval.ms': '5000',
    'plugin.path': join(folder, 'plugins'),
    // Reading every class of every jar for plugins takes longer than all the rest of the start.
    'plugin.discovery': 'service_load',
    listeners: `http://127.0.0.1:${port}`,
    'scheduled.rebalance.max.delay.ms': '0',
    'connector.client.config.override.policy': 'All',
  };
}
