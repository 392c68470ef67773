import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createRedisClient } from '../../adapters/redis/client.ts';
import { createTestSqlServer, openTestServer } from '../sqlserver-database.ts';
import { openTestDatabase } from '../test-database.ts';
import { command, startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../../examples/sqlserver-to-postgres/config.yml', import.meta.url));
const patience = { timeout: 90_000, interval: 300 };

test('rows of SQL Server stand in a table of PostgreSQL whose definition was generated, with every digit, and follow every change', {
  timeout: 400_000,
}, async () => {
  const server = await openTestServer();
  const erp = await createTestSqlServer(server.url);
  const store = await openTestDatabase();
  const environment = { ERP_URL: erp.url, ALMACEN_URL: store.url, SYNC_INTERVAL: '300ms', BATCH_SIZE: '40' };
  Object.assign(process.env, environment);
  await erp.run(
    `CREATE TABLE PRODUCTO (ID INT PRIMARY KEY, NOMBRE NVARCHAR(100) NOT NULL, PRECIO DECIMAL(38,10), ALTA DATETIME,
       ULTIMA_MODIFICACION DATETIME2(7) NOT NULL DEFAULT SYSUTCDATETIME())`,
    `INSERT INTO PRODUCTO (ID, NOMBRE, PRECIO, ALTA)
     VALUES (1, N'Lámpara', 1234567890123456789012345678.0123456789, '2026-03-01T12:00:00.123'), (2, N'Silla', NULL, NULL)`,
  );
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-sqlserver-'));
  const printed = await command('sqlserver', 'ddl', 'erp', 'products', '--config', config, '--apply', store.url);
  expect(printed).toContain('CREATE TABLE IF NOT EXISTS "public"."producto"');
  const syncline = await startSyncline(dataDir, { ...environment, SYNCLINE_CONFIG: config });
  const redis = createRedisClient(syncline.runtime.redis);
  await redis.connect();
  const rows = async () =>
    (await store.pool.query('SELECT id, nombre, precio::text AS precio, alta::text AS alta FROM producto ORDER BY id')).rows;
  const stamps = async () =>
    (await store.pool.query('SELECT id, updated_at::text AS at FROM producto ORDER BY id')).rows.map(({ at }) => at as string);
  const lamp = { id: 1, nombre: 'Lámpara', precio: '1234567890123456789012345678.0123456789', alta: '2026-03-01 12:00:00.123' };
  const chair = { id: 2, nombre: 'Silla', precio: null, alta: null };
  try {
    await expect.poll(rows, patience).toEqual([lamp, chair]);
    const [lampAt, chairAt] = await stamps();

    await erp.run(
      `UPDATE PRODUCTO SET PRECIO = 0.0000000001, ULTIMA_MODIFICACION = SYSUTCDATETIME() WHERE ID = 2`,
      `INSERT INTO PRODUCTO (ID, NOMBRE) VALUES (3, N'Mesa')`,
    );
    const table = { id: 3, nombre: 'Mesa', precio: null, alta: null };
    await expect.poll(rows, patience).toEqual([lamp, { ...chair, precio: '0.0000000001' }, table]);
    const after = await stamps();
    expect(after[0]).toBe(lampAt);
    expect(after[1]! > chairAt!).toBe(true);

    await erp.run('DELETE FROM PRODUCTO WHERE ID = 1');
    await expect.poll(rows, patience).toEqual([{ ...chair, precio: '0.0000000001' }, table]);
    const synced = Date.parse((await redis.get('syncline:last_sync_timestamp:erp')) ?? '');
    expect(Math.abs(Date.now() - synced)).toBeLessThan(60_000);
    await expect.poll(() => logsIn(dataDir), patience).toMatch(/figures of a source.*"?queueLength"?:? ?0/);
    await expect.poll(() => syncline.get('/api/accounting'), patience).toMatchObject({ body: { balanced: true } });
    expect(await syncline.get('/api/dead-letters')).toMatchObject({ body: { items: [] } });
  } finally {
    redis.disconnect();
    syncline.signal('SIGINT');
    await syncline.ended;
    await erp.close();
    await server.stop();
    await store.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

function logsIn(dataDir: string): string {
  const folder = join(dataDir, 'logs');
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
}
