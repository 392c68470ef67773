import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { executablesNamed, lastLines, runCommand } from './command.ts';
import { startGuardian } from './guardian.ts';
import type { FetchContext } from './package-cache.ts';
import { claimPort, giveBackPort } from './ports.ts';
import { exchange } from './readiness.ts';
import { startService } from './service-process.ts';
import { installSystemPart } from './system-packages.ts';
import { databaseUser } from './system-user.ts';

const why = 'it is the pooler of the tests';
const readyTries = 200;
const readyPollMs = 25;

export function findPgbouncer(): string | undefined {
  return executablesNamed('pgbouncer')[0];
}

export async function providePgbouncer(context: FetchContext): Promise<string> {
  const found = findPgbouncer();
  if (found !== undefined) return found;
  await installSystemPart('pgbouncer', why, context);
  const installed = findPgbouncer();
  if (installed === undefined) throw new Error('the package of pgbouncer does not hold it where it is looked for');
  return installed;
}

export interface RunningPgbouncer {
  /** The same database behind the pooler, which speaks TLS only. */
  readonly url: string;
  /** The certificate it shows, for `localhost`, and its key. */
  readonly certificateFile: string;
  readonly keyFile: string;
  stop(): Promise<void>;
}

/** In transaction mode, with few connections to the server: what poolers of hosted databases are. */
export async function startPgbouncer(server: string): Promise<RunningPgbouncer> {
  const binary = await providePgbouncer({ onProgress: () => undefined });
  const user = databaseUser();
  const folder = mkdtempSync(join(tmpdir(), `pgbouncer-${randomUUID().slice(0, 8)}-`));
  const guardian = startGuardian();
  guardian.discardAtDeath(folder);
  const port = await claimPort();
  const { certificateFile, keyFile } = await makeCertificate(folder);
  const { hostname, port: serverPort, username, password } = new URL(server);
  const usersFile = join(folder, 'users.txt');
  writeFileSync(usersFile, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: usersFile,
    pool_mode: 'transaction',
    default_pool_size: 2,
    max_client_conn: 200,
    query_wait_timeout: 10,
    client_tls_sslmode: 'require',
    client_tls_key_file: keyFile,
    client_tls_cert_file: certificateFile,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const settingsFile = join(folder, 'pgbouncer.ini');
  writeFileSync(settingsFile, `[databases]\n* = host=${hostname} port=${serverPort}\n[pgbouncer]\n${lines.join('\n')}\n`);
  chmodSync(folder, 0o755);
  if (user !== undefined)
    for (const file of [folder, keyFile, certificateFile, usersFile, settingsFile]) chownSync(file, user.uid, user.gid);
  const logFile = join(folder, 'pgbouncer.log');
  const command = { file: binary, args: [settingsFile], directory: folder, user, stopSignal: 'SIGINT' as const, logFile };
  const service = await startService('pgbouncer', command, guardian);
  const stop = async () => {
    await guardian.dismiss();
    await service.ended;
    giveBackPort(port);
    rmSync(folder, { recursive: true, force: true });
  };
  if (!(await answers(port, () => service.hasEnded()))) {
    const said = service.lastLogLines().join('\n');
    await stop();
    throw new Error(`pgbouncer does not start:\n${said}`);
  }
  const url = new URL(server);
  url.host = `localhost:${port}`;
  return { url: url.href, certificateFile, keyFile, stop };
}

/** Asks whether TLS is spoken, as every client of PostgreSQL begins. */
async function answers(port: number, hasEnded: () => boolean): Promise<boolean> {
  const question = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
  for (let tries = 0; tries < readyTries && !hasEnded(); tries++) {
    const said = await exchange(port, question, (bytes) => bytes.length > 0).catch(() => undefined);
    if (said?.toString('latin1') === 'S') return true;
    await new Promise((resolve) => setTimeout(resolve, readyPollMs));
  }
  return false;
}

async function makeCertificate(folder: string): Promise<{ certificateFile: string; keyFile: string }> {
  const [certificateFile, keyFile] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  const args = ['req', '-new', '-x509', '-days', '2', '-nodes', '-newkey', 'rsa:2048', '-subj', '/CN=localhost'];
  const names = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certificateFile];
  const outcome = await runCommand('openssl', [...args, ...names]);
  if (!outcome.succeeded) throw new Error(`no certificate can be made:\n${lastLines(outcome.output)}`);
  chmodSync(keyFile, 0o600);
  return { certificateFile, keyFile };
}
