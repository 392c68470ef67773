import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../core/errors.ts';
import { hasClassArchive, provideClassArchive } from './class-archive.ts';
import { lastLines, runCommand } from './command.ts';
import type { EmbeddedContext, EmbeddedPart } from './embedded-part.ts';
import { findJava, type Java, provideJava } from './java.ts';
import { metadataRequest, namesABroker } from './kafka-ping.ts';
import { copyKafkaJars, verifyArtifacts } from './maven.ts';
import { cacheDirectory, type FetchContext, fetchOnce, isFetched } from './package-cache.ts';
import { exchange } from './readiness.ts';
import { runTrial } from './trial-run.ts';

const kafkaVersion = '4.3.1';
const cacheName = `kafka-${kafkaVersion}`;
const javaMajorMin = 17;
const why = 'the embedded Kafka broker runs on it';
const heapMbDefault = 512;
const logConfiguration = fileURLToPath(new URL('kafka-log4j2.yaml', import.meta.url));

interface KafkaRuntime {
  readonly java: Java;
  readonly classPath: string;
  /** Java arguments that use the archive of its classes. */
  readonly archive: readonly string[];
}

/** One process that is broker and controller at once. */
export function embeddedKafka(context: EmbeddedContext): EmbeddedPart {
  const { data, settings } = context;
  const directory = join(data.path, 'kafka');
  const properties = join(directory, 'server.properties');
  const port = () => data.currentPort('kafka');
  return {
    name: 'kafka',
    needs: [],
    address: () => `127.0.0.1:${port()}`,
    async prepare() {
      const runtime = await provideKafka(context);
      // The compression libraries unpack themselves here at each start, and a killed broker leaves them behind.
      rmSync(join(directory, 'tmp'), { recursive: true, force: true });
      mkdirSync(join(directory, 'tmp'), { recursive: true });
      writeProperties(properties, {
        ...brokerProperties(port(), data.currentPort('kafka-controller'), join(directory, 'log')),
        ...(context.fast ? quickRestart : {}),
        ...settings.kafkaProperties,
      });
      await formatOnce(runtime, directory, properties, context.signal);
      return {
        file: runtime.java.binary,
        args: [
          ...javaArguments(runtime, settings.kafkaHeapMb ?? heapMbDefault, context.fast),
          `-Djava.io.tmpdir=${join(directory, 'tmp')}`,
          'kafka.Kafka',
          properties,
        ],
        directory,
        stopSignal: 'SIGTERM',
        logFile: join(data.path, 'logs', 'kafka.log'),
      };
    },
    ping: () => pingKafka(port()),
  };
}

async function pingKafka(port: number): Promise<boolean> {
  const isComplete = (bytes: Buffer) => bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0);
  return namesABroker(await exchange(port, metadataRequest(), isComplete));
}

/** Whether a start would fetch or prepare nothing. */
export async function isKafkaReady(): Promise<boolean> {
  const java = await findJava(javaMajorMin);
  if (java === undefined || !isFetched(cacheName)) return false;
  return hasClassArchive({ name: cacheName, java, classPath: classPathOf(join(cacheDirectory(), cacheName)) });
}

/** The jars, a Java to run them on and the archive of their classes: fetched and made once. */
export async function provideKafka(context: FetchContext): Promise<KafkaRuntime> {
  const java = await provideJava(javaMajorMin, why, context);
  const folder = await fetchOnce(cacheName, context, async (target) => {
    await copyKafkaJars(target, context);
    await verifyArtifacts('kafka', target);
  });
  const classPath = classPathOf(folder);
  const bare: KafkaRuntime = { java, classPath, archive: [] };
  const archive = await provideClassArchive(
    { name: cacheName, java, classPath, trial: (extra, scratch) => tryBroker({ ...bare, archive: extra }, scratch) },
    context,
  );
  return { ...bare, archive };
}

function classPathOf(folder: string): string {
  const jars = readdirSync(folder).sort();
  return jars.map((jar) => join(folder, jar)).join(':');
}

/** After a kill a broker waits until the controller has given up its former life; the default is nine seconds. */
const quickRestart = { 'broker.session.timeout.ms': '3000', 'broker.heartbeat.interval.ms': '500' };

function brokerProperties(port: number, controllerPort: number, logDirectory: string): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logDirectory,
    'auto.create.topics.enable': 'false',
    'num.partitions': '4',
    'log.message.timestamp.type': 'LogAppendTime',
    'log.segment.bytes': String(256 * 1024 * 1024),
    'log.retention.hours': String(7 * 24),
    // The default takes half of a small heap for compaction alone.
    'log.cleaner.dedupe.buffer.size': String(16 * 1024 * 1024),
    'num.network.threads': '3',
    'num.io.threads': '4',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '4',
  };
}

function writeProperties(file: string, properties: Readonly<Record<string, string>>): void {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(file, lines.join(''));
}

function javaArguments(runtime: KafkaRuntime, heapMb: number, fast: boolean): string[] {
  return [
    ...runtime.archive,
    `-Xmx${heapMb}m`,
    // The quick compiler alone starts sooner and, in the long run, runs slower.
    ...(fast ? ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'] : ['-XX:+UseG1GC']),
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData',
    '-Djava.awt.headless=true',
    `-Dlog4j2.configurationFile=${logConfiguration}`,
    '-cp',
    runtime.classPath,
  ];
}

/** Gives the log directory its cluster id. The mark is written last, so an interrupted format is repeated. */
async function formatOnce(runtime: KafkaRuntime, directory: string, properties: string, signal: AbortSignal | undefined) {
  const mark = join(directory, 'formatted');
  if (existsSync(mark)) return;
  const clusterId = `s${randomBytes(16).toString('base64url').slice(1)}`;
  const args = [...javaArguments(runtime, 128, true), 'kafka.tools.StorageTool', 'format', '--ignore-formatted'];
  const outcome = await runCommand(runtime.java.binary, [...args, '-t', clusterId, '-c', properties], { signal });
  if (!outcome.succeeded) {
    throw new SyncError('stack.start-failed', `kafka: its directory could not be formatted:\n  ${lastLines(outcome.output)}`, {
      details: { part: 'kafka' },
    });
  }
  writeFileSync(mark, `${clusterId}\n`);
}

/** Starts and ends a broker, so that Java sees which classes that takes. */
async function tryBroker(runtime: KafkaRuntime, scratch: string): Promise<void> {
  const properties = join(scratch, 'server.properties');
  await runTrial('kafka', scratch, 2, async ([port, controllerPort]) => {
    writeProperties(properties, brokerProperties(port!, controllerPort!, join(scratch, 'log')));
    await formatOnce({ ...runtime, archive: [] }, scratch, properties, undefined);
    return {
      command: {
        file: runtime.java.binary,
        args: [...javaArguments(runtime, 256, true), `-Djava.io.tmpdir=${scratch}`, 'kafka.Kafka', properties],
      },
      ping: () => pingKafka(port!),
    };
  });
}
