import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { executablesNamed, runCommand } from './command.ts';
import type { EmbeddedContext, EmbeddedPart } from './embedded-part.ts';
import { unpackArtifact, verifyArtifacts } from './maven.ts';
import { cacheDirectory, type FetchContext, fetchOnce, isFetched } from './package-cache.ts';
import { exchange } from './readiness.ts';
import { partMissing } from './system-packages.ts';

const artifact = 'com.github.codemonstur:embedded-redis:1.4.3';
const cacheName = 'redis-embedded-1.4.3';
const packagedBinaries: Readonly<Record<string, string>> = {
  'linux-x64': 'redis-server-6.2.6-v5-linux-amd64',
  'linux-arm64': 'redis-server-6.2.7-linux-arm64',
  'darwin-x64': 'redis-server-6.2.6-v5-darwin-amd64',
  'darwin-arm64': 'redis-server-6.2.6-v5-darwin-arm64',
};
const why = 'it filters unchanged records';

export function embeddedRedis(context: EmbeddedContext): EmbeddedPart {
  const directory = join(context.data.path, 'redis');
  const port = () => context.data.currentPort('redis');
  return {
    name: 'redis',
    needs: [],
    address: () => `redis://127.0.0.1:${port()}`,
    async prepare() {
      const file = await provideRedis(context);
      mkdirSync(directory, { recursive: true });
      return {
        file,
        args: redisArguments(port(), directory),
        directory,
        stopSignal: 'SIGTERM',
        logFile: join(context.data.path, 'logs', 'redis.log'),
      };
    },
    async ping() {
      const answer = await exchange(port(), Buffer.from('PING\r\n'), (bytes) => bytes.includes('\r\n'));
      return answer.toString('latin1').startsWith('+PONG');
    },
  };
}

/** It holds only what can be derived again, so nothing is written to disk; what does not fit must fail rather than be evicted. */
function redisArguments(port: number, directory: string): string[] {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

export async function findRedis(packagedOnly = false): Promise<string | undefined> {
  const installed = packagedOnly ? [] : executablesNamed('redis-server');
  const packaged = packagedBinaries[`${process.platform}-${process.arch}`];
  const fetched = packaged !== undefined && isFetched(cacheName) ? [join(cacheDirectory(), cacheName, packaged)] : [];
  for (const binary of [...installed, ...fetched]) if (await runs(binary)) return binary;
  return undefined;
}

export async function provideRedis(context: FetchContext): Promise<string> {
  const found = await findRedis(context.packagedOnly);
  if (found !== undefined) return found;
  const packaged = packagedBinaries[`${process.platform}-${process.arch}`];
  if (packaged === undefined) throw partMissing('redis', why, `, and no package has it for ${process.platform}-${process.arch}`);
  const folder = await fetchOnce(cacheName, context, async (target) => {
    await unpackArtifact(artifact, 'redis-server-*linux-*64,redis-server-*darwin-*', target, context);
    await verifyArtifacts('redis', target);
    for (const name of Object.values(packagedBinaries)) chmodSync(join(target, name), 0o755);
  });
  const binary = join(folder, packaged);
  if (await runs(binary)) return binary;
  throw partMissing('redis', why, ', and the fetched one does not run here (it needs OpenSSL 3)');
}

async function runs(binary: string): Promise<boolean> {
  return (await runCommand(binary, ['--version'])).succeeded;
}
