import { randomBytes } from 'node:crypto';
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { lastLines, runCommand } from './command.ts';
import type { EmbeddedContext, EmbeddedPart } from './embedded-part.ts';
import { type FirebirdBinaries, provideFirebird } from './firebird-binaries.ts';
import { exchange } from './readiness.ts';
import type { SystemUser } from './service-process.ts';
import { databaseUser, folderForUser } from './system-user.ts';

const administrator = 'SYSDBA';

/** A Firebird server whose databases lie in its own folder: the address is that folder's, a database is a file in it. */
export function embeddedFirebird(context: EmbeddedContext): EmbeddedPart {
  const { data } = context;
  const passwordFile = join(data.path, 'firebird-password');
  const port = () => data.currentPort('firebird');
  let home = data.place('firebird') ?? '';
  return {
    name: 'firebird',
    needs: [],
    address: () => `firebird://${administrator}:${readPassword(passwordFile)}@127.0.0.1:${port()}/${home}/databases/`,
    async prepare() {
      const binaries = await provideFirebird(context);
      const user = databaseUser();
      home = await folderForUser(user, data.place('firebird') ?? join(data.path, 'firebird'), 'firebird');
      data.rememberPlace('firebird', home);
      const eventPort = data.currentPort('firebird-events');
      const environment = { FIREBIRD: home, FIREBIRD_LOCK: join(home, 'lock') };
      if (!existsSync(join(home, 'security.fdb'))) {
        if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
        const partial = join(home, 'security.partial.fdb');
        writeFolder(binaries, home, { port: port(), eventPort, securityDatabase: partial }, user);
        await createSecurityDatabase(binaries, home, readPassword(passwordFile), user, environment);
      }
      writeFolder(binaries, home, { port: port(), eventPort, securityDatabase: join(home, 'security.fdb') }, user);
      return {
        file: binaries.server,
        args: [],
        environment,
        directory: home,
        user,
        stopSignal: 'SIGTERM',
        logFile: join(data.path, 'logs', 'firebird.log'),
      };
    },
    async ping() {
      const answer = await exchange(port(), greeting(), (bytes) => bytes.length >= 4);
      return answer.length >= 4;
    },
  };
}

interface ServerPlace {
  readonly port: number;
  readonly eventPort: number;
  readonly securityDatabase: string;
}

/**
 * `intl` is a real folder: behind a symbolic link the server says that no character set is installed. Configuration is
 * written at every start, since the ports may have changed.
 */
function writeFolder(binaries: FirebirdBinaries, home: string, server: ServerPlace, user: SystemUser | undefined): void {
  for (const name of ['intl', 'lock', 'databases']) mkdirSync(join(home, name), { recursive: true });
  const plugins = join(home, 'plugins');
  rmSync(plugins, { force: true });
  symlinkSync(join(binaries.libraryFolder, 'plugins'), plugins);
  const intl = join(binaries.libraryFolder, 'intl');
  const library = readdirSync(intl).find((name) => /fbintl\.(so|dylib)$/.test(name));
  if (library === undefined) throw new Error(`Firebird's character sets are missing in ${intl}`);
  copyFileSync(join(intl, library), join(home, 'intl', library));
  const described = readFileSync(binaries.characterSets, 'utf8');
  const absolute = described.replaceAll(/(filename\s*=\s*)\S+/g, `$1${join(home, 'intl', library)}`);
  writeFileSync(join(home, 'intl', 'fbintl.conf'), absolute);
  const settings = {
    RemoteBindAddress: '127.0.0.1',
    RemoteServicePort: server.port,
    // Events come over a second connection.
    RemoteAuxPort: server.eventPort,
    WireCrypt: 'Enabled',
    AuthServer: 'Srp256, Srp',
    UserManager: 'Srp',
    DatabaseAccess: 'Full',
    // Its own users, not the system's.
    SecurityDatabase: server.securityDatabase,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(join(home, 'firebird.conf'), lines.join(''));
  writeFileSync(join(home, 'databases.conf'), `security.db = ${server.securityDatabase}\n`);
  writeFileSync(join(home, 'plugins.conf'), '');
  if (user === undefined) return;
  for (const name of [home, ...['intl', 'lock', 'databases'].map((folder) => join(home, folder))])
    chownSync(name, user.uid, user.gid);
}

/** Made by the engine itself, without a server; renamed when the administrator stands in it, so that nothing half made is taken for it. */
async function createSecurityDatabase(
  binaries: FirebirdBinaries,
  home: string,
  password: string,
  user: SystemUser | undefined,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const partial = join(home, 'security.partial.fdb');
  const script = join(home, 'create-security.sql');
  rmSync(partial, { force: true });
  writeFileSync(
    script,
    `CREATE DATABASE '${partial}' USER ${administrator};\nCREATE USER ${administrator} PASSWORD '${password}' USING PLUGIN Srp;\nCOMMIT;\n`,
    { mode: 0o600 },
  );
  if (user !== undefined) chownSync(script, user.uid, user.gid);
  try {
    const outcome = await runCommand(binaries.isql, ['-q', '-bail', '-i', script], { environment, user, directory: home });
    if (!outcome.succeeded) {
      throw new SyncError(
        'stack.start-failed',
        `firebird: its security database cannot be made:\n  ${lastLines(outcome.output)}`,
        {
          details: { part: 'firebird' },
        },
      );
    }
    renameSync(partial, join(home, 'security.fdb'));
  } finally {
    rmSync(script, { force: true });
  }
}

/** The first packet of its protocol; any answer, even a refusal, comes from a server that is ready. */
function greeting(): Buffer {
  const [connect, attach, connectVersion, architecture, protocols, protocol, dataTypeMin, dataTypeMax] = [
    1, 19, 3, 1, 1, 0x800d, 0, 5,
  ];
  const word = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  };
  const noText = word(0);
  return Buffer.concat([
    ...[connect, attach, connectVersion, architecture].map((value) => word(value!)),
    noText,
    word(protocols!),
    noText,
    ...[protocol!, architecture!, dataTypeMin!, dataTypeMax!, 2].map(word),
  ]);
}

function readPassword(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
