import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { hasClassArchive, provideClassArchive } from './class-archive.ts';
import { lastLines, runCommand } from './command.ts';
import type { EmbeddedContext, EmbeddedPart } from './embedded-part.ts';
import { findJava, type Java, provideJava } from './java.ts';
import { copyArtifact, verifyArtifacts } from './maven.ts';
import { cacheDirectory, type FetchContext, fetchOnce, isFetched } from './package-cache.ts';
import { runTrial } from './trial-run.ts';

const version = '3.3.3';
const artifact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`;
const archiveFile = `apicurio-registry-app-${version}-all.tar.gz`;
const cacheName = `registry-${version}`;
const javaMajorMin = 21;
const why = 'the schema registry needs Java 21';
const heapMbDefault = 256;
const pingTimeoutMs = 2_000;
/** Its tables stand beside the product's, in a schema of their own. */
const databaseSchema = 'schema_registry';

interface RegistryRuntime {
  readonly java: Java;
  readonly folder: string;
  readonly archive: readonly string[];
}

/** Keeps its schemas in PostgreSQL, so that a message written before a restart can be read after it. */
export function embeddedRegistry(context: EmbeddedContext, postgresAddress: () => string): EmbeddedPart {
  const { data, settings } = context;
  const port = () => data.currentPort('registry');
  return {
    name: 'registry',
    needs: ['postgres'],
    address: () => `http://127.0.0.1:${port()}/apis/ccompat/v7`,
    async prepare() {
      const runtime = await provideRegistry(context);
      await createDatabaseSchema(postgresAddress());
      const directory = join(data.path, 'registry');
      mkdirSync(directory, { recursive: true });
      return {
        file: runtime.java.binary,
        args: javaArguments(runtime, settings.registryHeapMb ?? heapMbDefault, context.fast),
        environment: { ...listenEnvironment(port()), ...storageEnvironment(postgresAddress()) },
        directory,
        stopSignal: 'SIGTERM',
        logFile: join(data.path, 'logs', 'registry.log'),
      };
    },
    ping: () => pingRegistry(port()),
  };
}

async function pingRegistry(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/apis/ccompat/v7/subjects`, {
    signal: AbortSignal.timeout(pingTimeoutMs),
  });
  return response.ok && Array.isArray(await response.json());
}

/** Whether a start would fetch or prepare nothing. */
export async function isRegistryReady(): Promise<boolean> {
  const java = await findJava(javaMajorMin);
  if (java === undefined || !isFetched(cacheName)) return false;
  return hasClassArchive({ name: cacheName, java, classPath: join(cacheDirectory(), cacheName) });
}

export async function provideRegistry(context: FetchContext): Promise<RegistryRuntime> {
  const java = await provideJava(javaMajorMin, why, context);
  const folder = await fetchOnce(cacheName, context, async (target) => {
    const download = `${target}.download`;
    await copyArtifact(artifact, download, context);
    await verifyArtifacts('registry', download);
    mkdirSync(target, { recursive: true });
    const outcome = await runCommand('tar', ['-xzf', join(download, archiveFile), '-C', target]);
    if (!outcome.succeeded) throw new SyncError('stack.fetch-failed', `registry: cannot unpack:\n  ${lastLines(outcome.output)}`);
    rmSync(download, { recursive: true, force: true });
  });
  const bare: RegistryRuntime = { java, folder, archive: [] };
  const archive = await provideClassArchive(
    { name: cacheName, java, classPath: folder, trial: (extra, scratch) => tryRegistry({ ...bare, archive: extra }, scratch) },
    context,
  );
  return { ...bare, archive };
}

function javaArguments(runtime: RegistryRuntime, heapMb: number, fast: boolean): string[] {
  return [
    ...runtime.archive,
    `-Xmx${heapMb}m`,
    '-XX:+UseSerialGC',
    ...(fast ? ['-XX:TieredStopAtLevel=1'] : []),
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData',
    '-Djava.awt.headless=true',
    '-jar',
    join(runtime.folder, 'quarkus-run.jar'),
  ];
}

function listenEnvironment(port: number): Record<string, string> {
  return {
    QUARKUS_HTTP_HOST: '127.0.0.1',
    QUARKUS_HTTP_PORT: String(port),
    QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
    // Nothing here asks the management interface, so any port will do.
    QUARKUS_MANAGEMENT_PORT: '0',
  };
}

/** In the environment rather than among the arguments, which every user of the machine can read. */
function storageEnvironment(postgresAddress: string): Record<string, string> {
  const address = new URL(postgresAddress);
  const jdbc = new URL(`postgresql://${address.host}${address.pathname}`);
  for (const [name, value] of address.searchParams) jdbc.searchParams.set(name, value);
  jdbc.searchParams.set('currentSchema', databaseSchema);
  return {
    APICURIO_STORAGE_KIND: 'sql',
    APICURIO_STORAGE_SQL_KIND: 'postgresql',
    APICURIO_DATASOURCE_URL: `jdbc:${jdbc.href}`,
    APICURIO_DATASOURCE_USERNAME: decodeURIComponent(address.username),
    APICURIO_DATASOURCE_PASSWORD: decodeURIComponent(address.password),
  };
}

async function createDatabaseSchema(postgresAddress: string): Promise<void> {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: postgresAddress });
  try {
    await client.connect();
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${databaseSchema}`);
  } finally {
    await client.end().catch(() => {});
  }
}

/** In memory: the classes of the real storage are few beside those of the server. */
async function tryRegistry(runtime: RegistryRuntime, scratch: string): Promise<void> {
  await runTrial('registry', scratch, 1, async ([port]) => ({
    command: {
      file: runtime.java.binary,
      args: javaArguments(runtime, heapMbDefault, true),
      environment: listenEnvironment(port!),
    },
    ping: () => pingRegistry(port!),
  }));
}
