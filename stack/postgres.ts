import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { SyncError } from '../core/errors.ts';
import { lastLines, runCommand } from './command.ts';
import type { EmbeddedContext, EmbeddedPart } from './embedded-part.ts';
import { choosePostgres, type PostgresBinaries, readableBinaries } from './postgres-binaries.ts';
import { identityOf } from './process-identity.ts';
import type { SystemUser } from './service-process.ts';
import { databaseUser, folderForUser } from './system-user.ts';

const role = 'syncline';
const databaseName = 'syncline';
/** A sixteenth of the machine: what is worked on should fit, and others live here too. It is taken only as it is used. */
const sharedBuffersMbDefault = Math.min(1_024, Math.max(128, Math.floor(totalmem() / 2 ** 20 / 16)));
const connectTimeoutMs = 3_000;

export function embeddedPostgres(context: EmbeddedContext): EmbeddedPart {
  const { data, settings } = context;
  const passwordFile = join(data.path, 'postgres-password');
  const port = () => data.currentPort('postgres');
  const addressOf = (database: string) => `postgres://${role}:${readPassword(passwordFile)}@127.0.0.1:${port()}/${database}`;
  return {
    name: 'postgres',
    needs: [],
    address: () => addressOf(databaseName),
    async prepare() {
      const user = databaseUser();
      const home = await postgresHome(context, user);
      const directory = join(home, 'data');
      const chosen = await choosePostgres(directory, context.packagedOnly);
      const binaries = await readableBinaries(chosen, user, context);
      if (!existsSync(directory)) await initialise(binaries, home, passwordFile, user, context);
      removeStalePidFile(directory);
      const parameters = { ...serverParameters(context, port()), ...settings.postgresParameters };
      return {
        file: join(binaries.folder, 'postgres'),
        args: ['-D', directory, ...Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        directory: home,
        user,
        stopSignal: 'SIGINT',
        logFile: join(data.path, 'logs', 'postgres.log'),
      };
    },
    ping: async () => {
      await queryOnce(addressOf('postgres'), 'SELECT 1');
      return true;
    },
    async complete() {
      const known = await queryOnce(addressOf('postgres'), `SELECT 1 FROM pg_database WHERE datname = '${databaseName}'`);
      if (known === 0) await queryOnce(addressOf('postgres'), `CREATE DATABASE ${databaseName}`);
    },
  };
}

/** The folder around the data directory; remembered, because a folder that was out of reach may have been opened since. */
async function postgresHome(context: EmbeddedContext, user: SystemUser | undefined): Promise<string> {
  const wished = join(context.data.path, 'postgres');
  const remembered = context.data.place('postgres');
  const home = await folderForUser(user, remembered ?? wished);
  if (home !== wished && remembered === undefined) {
    context.onProgress(`postgres: its data is kept in ${home}, because its user cannot enter ${wished}`);
    rmSync(wished, { recursive: true, force: true });
  }
  if (remembered !== home) context.data.rememberPlace('postgres', home);
  return home;
}

/** Built under another name and renamed, so that an interrupted start leaves nothing that looks complete. */
async function initialise(
  binaries: PostgresBinaries,
  home: string,
  passwordFile: string,
  user: SystemUser | undefined,
  context: EmbeddedContext,
): Promise<void> {
  const partial = join(home, 'data.partial');
  const handover = join(home, 'password');
  rmSync(partial, { recursive: true, force: true });
  if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  writeFileSync(handover, readPassword(passwordFile), { mode: 0o600 });
  if (user !== undefined) chownSync(handover, user.uid, user.gid);
  try {
    const outcome = await runInitdb(binaries, partial, handover, user, context);
    if (!outcome.succeeded) {
      throw new SyncError('stack.start-failed', `postgres: initdb failed:\n  ${lastLines(outcome.output)}`, {
        details: { part: 'postgres' },
      });
    }
    renameSync(partial, join(home, 'data'));
  } finally {
    rmSync(handover, { force: true });
  }
}

/** UTF-8 rules for letters, but the order of bytes, on every system alike where the version can do it. */
function runInitdb(
  binaries: PostgresBinaries,
  directory: string,
  handover: string,
  user: SystemUser | undefined,
  context: EmbeddedContext,
) {
  const locale =
    binaries.majorVersion >= 17
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
      : [process.platform === 'linux' ? '--locale=C.UTF-8' : '--locale=C'];
  const args = [
    `--pgdata=${directory}`,
    `--username=${role}`,
    `--pwfile=${handover}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    ...locale,
    ...(context.fast ? ['--no-sync'] : []),
  ];
  return runCommand(join(binaries.folder, 'initdb'), args, { user, directory: '/', signal: context.signal });
}

function serverParameters(context: EmbeddedContext, port: number): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    max_connections: '200',
    shared_buffers: `${context.settings.postgresSharedBuffersMb ?? sharedBuffersMbDefault}MB`,
    wal_level: 'logical',
    max_replication_slots: '20',
    max_wal_senders: '20',
    max_wal_size: '4GB',
    checkpoint_timeout: '15min',
    wal_compression: 'off',
    synchronous_commit: 'on',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Without it data survives the death of the process, though not of the machine.
    ...(context.fast ? { fsync: 'off' } : {}),
  };
}

/**
 * PostgreSQL refuses to start while the process named in this file lives, and after a crash that id may be anybody's.
 * We own the directory and have ended what we left behind, so only a server somebody else started on it counts.
 */
function removeStalePidFile(directory: string): void {
  const file = join(directory, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  if (Number.isInteger(pid) && identityOf(pid) !== undefined && worksIn(pid, directory)) {
    throw new SyncError(
      'stack.directory-in-use',
      `a PostgreSQL server, process ${pid}, already runs on ${directory}: stop it first`,
      {
        details: { part: 'postgres', pid },
      },
    );
  }
  rmSync(file, { force: true });
}

/** A PostgreSQL server's working directory is its data directory. */
function worksIn(pid: number, directory: string): boolean {
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(directory);
    } catch {
      // A process of another user: not ours to judge, so it counts.
      return true;
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.includes(directory);
}

function readPassword(file: string): string {
  return readFileSync(file, 'utf8').trim();
}

async function queryOnce(address: string, text: string): Promise<number> {
  const client = new Client({ connectionString: address, connectionTimeoutMillis: connectTimeoutMs });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(text)).rowCount ?? 0;
  } finally {
    await client.end().catch(() => {});
  }
}
