import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { runCommand } from './command.ts';
import { findPostgres, readableBinaries } from './postgres-binaries.ts';
import { identityOf } from './process-identity.ts';
import { type RunningStack, startStack } from './stack.ts';
import { databaseUser } from './system-user.ts';
import { acquireTestStack } from './test-stack.ts';

const timeout = { timeout: 60_000 };

test('PostgreSQL is ready for change capture and lets nobody in without the password', timeout, async () => {
  const stack = await acquireTestStack(['postgres']);
  expect(await query(stack, 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
  expect(await query(stack, 'SELECT current_database() AS name')).toEqual([{ name: 'syncline' }]);
  const withoutPassword = new URL(stack.addresses.postgres!);
  withoutPassword.password = 'guess';
  await expect(new Client({ connectionString: withoutPassword.href }).connect()).rejects.toThrow('password');
  expect(statSync(join(stack.dataDir, 'postgres-password')).mode & 0o777).toBe(0o600);
  await stack.stop();
});

test('without an installed PostgreSQL the one of the npm package serves', timeout, async () => {
  const [packaged] = await findPostgres(true);
  const stack = await acquireTestStack(['postgres'], { packagedOnly: true });
  const [row] = (await query(stack, 'SHOW server_version_num')) as [{ server_version_num: string }];
  expect(Math.floor(Number(row.server_version_num) / 10_000)).toBe(packaged?.majorVersion);
  await query(stack, 'CREATE TABLE kept (value int)');
  await stack.part('postgres').stop();
  await stack.part('postgres').start();
  expect(await query(stack, 'SELECT * FROM kept')).toEqual([]);
  await stack.stop();
});

test('a server that was killed starts again with what was committed', timeout, async () => {
  const stack = await acquireTestStack(['postgres']);
  await query(stack, 'CREATE TABLE kept AS SELECT 7 AS value');
  await stack.part('postgres').kill('SIGKILL');
  await stack.part('postgres').start();
  expect(await query(stack, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await stack.stop();
});

test('a pid file that now names a stranger does not hinder the start, nor harm the stranger', timeout, async () => {
  const stack = await acquireTestStack(['postgres']);
  await stack.part('postgres').stop();
  // Of the same user: a process of another one PostgreSQL itself takes for a stranger.
  const stranger = spawn('sleep', ['600'], { stdio: 'ignore', ...databaseUser() });
  const data = join(stack.dataDir, 'postgres', 'data');
  writeFileSync(join(data, 'postmaster.pid'), `${stranger.pid}\n${data}\n1\n`);
  await stack.part('postgres').start();
  expect(identityOf(stranger.pid!)).toBeDefined();
  stranger.kill('SIGKILL');
  await stack.stop();
});

test('a part that dies at its start is reported with its last log lines', timeout, async () => {
  const attempt = acquireTestStack(['postgres'], { settings: { postgresParameters: { shared_buffers: 'plenty' } } });
  await expect(attempt).rejects.toMatchObject({ code: 'stack.start-failed', details: { part: 'postgres' } });
  await expect(attempt).rejects.toThrow(/invalid value for parameter "shared_buffers": "plenty"/);
});

test.runIf(process.getuid?.() === 0)(
  'under a folder only root may enter the data is placed where its user can reach it',
  timeout,
  async () => {
    const closed = mkdtempSync(join(tmpdir(), 'syncline-closed-'));
    chmodSync(closed, 0o700);
    mkdirSync(join(closed, 'data'));
    const told: string[] = [];
    const stack = await startStack({
      dataDir: join(closed, 'data'),
      parts: ['postgres'],
      fast: true,
      onProgress: (line) => told.push(line),
    });
    expect(await query(stack, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await stack.stop();
    const { places } = JSON.parse(readFileSync(join(closed, 'data', 'stack.json'), 'utf8')) as { places: { postgres: string } };
    expect(told.join('\n')).toContain(places.postgres);
    expect(existsSync(join(places.postgres, 'data', 'PG_VERSION'))).toBe(true);
    rmSync(places.postgres, { recursive: true });
    rmSync(closed, { recursive: true });
  },
);

test.runIf(process.getuid?.() === 0)(
  'programs in a folder only root may enter are copied to where their user can run them',
  timeout,
  async () => {
    const closed = mkdtempSync(join(tmpdir(), 'syncline-closed-'));
    const [packaged] = await findPostgres(true);
    cpSync(dirname(packaged!.folder), join(closed, 'native'), { recursive: true, verbatimSymlinks: true });
    const user = databaseUser();
    const told: string[] = [];
    const binaries = { ...packaged!, folder: join(closed, 'native', 'bin') };
    const copied = await readableBinaries(binaries, user, { onProgress: (line) => told.push(line) });
    expect(told.join()).toContain(dirname(copied.folder));
    expect((await runCommand(join(copied.folder, 'postgres'), ['--version'], { user, directory: '/' })).succeeded).toBe(true);
    rmSync(dirname(copied.folder), { recursive: true });
    rmSync(closed, { recursive: true });
  },
);

async function query(stack: RunningStack, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: stack.addresses.postgres! });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}
