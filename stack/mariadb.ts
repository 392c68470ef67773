import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { lastLines, runCommand } from './command.ts';
import type { EmbeddedContext, EmbeddedPart } from './embedded-part.ts';
import { type MariadbBinaries, provideMariadb } from './mariadb-binaries.ts';
import { exchange } from './readiness.ts';
import type { SystemUser } from './service-process.ts';
import { databaseUser, folderForUser } from './system-user.ts';

const administrator = 'syncline';
const handshakeVersion = 10;

/** A MariaDB server with a data directory of its own; the address is that of a user who may make databases and users. */
export function embeddedMariadb(context: EmbeddedContext): EmbeddedPart {
  const { data, fast } = context;
  const passwordFile = join(data.path, 'mariadb-password');
  const port = () => data.currentPort('mariadb');
  return {
    name: 'mariadb',
    needs: [],
    address: () => `mysql://${administrator}:${readPassword(passwordFile)}@127.0.0.1:${port()}/`,
    async prepare() {
      const binaries = await provideMariadb(context);
      const user = databaseUser();
      const home = await folderForUser(user, data.place('mariadb') ?? join(data.path, 'mariadb'), 'mariadb');
      data.rememberPlace('mariadb', home);
      if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
      if (!existsSync(join(home, 'data'))) await initialise(binaries, home, user, context);
      const userScript = join(home, 'users.sql');
      writeUserScript(userScript, readPassword(passwordFile), user);
      return {
        file: binaries.server,
        args: serverArguments(join(home, 'data'), userScript, port(), fast),
        directory: home,
        user,
        stopSignal: 'SIGTERM',
        logFile: join(data.path, 'logs', 'mariadb.log'),
      };
    },
    async ping() {
      const greeting = await exchange(port(), Buffer.alloc(0), (bytes) => bytes.length > 4);
      return greeting[4] === handshakeVersion;
    },
  };
}

/** Made under another name and renamed, so that an interrupted start leaves nothing that looks complete. */
async function initialise(
  binaries: MariadbBinaries,
  home: string,
  user: SystemUser | undefined,
  context: EmbeddedContext,
): Promise<void> {
  const partial = join(home, 'data.partial');
  rmSync(partial, { recursive: true, force: true });
  const args = ['--no-defaults', `--datadir=${partial}`, '--skip-test-db', '--skip-name-resolve'];
  const outcome = await runCommand(binaries.installer, args, { user, directory: home, signal: context.signal });
  if (!outcome.succeeded) {
    throw new SyncError('stack.start-failed', `mariadb: its data directory cannot be made:\n  ${lastLines(outcome.output)}`, {
      details: { part: 'mariadb' },
    });
  }
  renameSync(partial, join(home, 'data'));
}

/** Run by the server before it takes connections. */
function writeUserScript(file: string, password: string, user: SystemUser | undefined): void {
  const statements = [
    `CREATE USER IF NOT EXISTS ${administrator}@'127.0.0.1'`,
    `ALTER USER ${administrator}@'127.0.0.1' IDENTIFIED BY '${password}'`,
    `GRANT ALL PRIVILEGES ON *.* TO ${administrator}@'127.0.0.1' WITH GRANT OPTION`,
  ];
  writeFileSync(file, `${statements.join(';\n')};\n`, { mode: 0o600 });
  if (user !== undefined) chownSync(file, user.uid, user.gid);
}

function serverArguments(directory: string, userScript: string, port: number, fast: boolean): string[] {
  const settings = {
    datadir: directory,
    'init-file': userScript,
    port,
    'bind-address': '127.0.0.1',
    // Below the data directory; a longer path may be more than a socket's name holds.
    socket: 'server.sock',
    'pid-file': 'server.pid',
    'character-set-server': 'utf8mb4',
    'innodb-buffer-pool-size': '64M',
    'innodb-log-file-size': '48M',
    'max-allowed-packet': '64M',
    'max-connections': 200,
    // Whether it is ready is asked by connecting and hanging up, which it would take for an attack.
    'max-connect-errors': 4_294_967_295,
    // Without it data survives the death of the process, though not of the machine.
    'innodb-flush-log-at-trx-commit': fast ? 2 : 1,
  };
  const named = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  return ['--no-defaults', ...named, '--skip-name-resolve', '--skip-log-bin'];
}

function readPassword(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
