import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, test } from 'vitest';
import { placeFrom, placeOptions } from '../../connectors/firebird/firebird-place.ts';
import { FirebirdPool } from '../../connectors/firebird/firebird-pool.ts';
import type { Runtime } from './started-syncline.ts';

const example = fileURLToPath(new URL('../../examples/two-firebirds/run.ts', import.meta.url));
const patience = { timeout: 120_000, interval: 200 };

test('the example of two Firebird databases: one command, and their differences stand in PostgreSQL and are told over REST', {
  timeout: 300_000,
}, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-two-firebirds-'));
  const running = start(dataDir);
  let inside: pg.Pool | undefined;
  try {
    await expect.poll(() => running.output(), patience).toContain('Syncline is up');
    const runtime = JSON.parse(readFileSync(join(dataDir, 'runtime.json'), 'utf8')) as Runtime;
    const tables = new pg.Pool({ connectionString: runtime.postgres, max: 1 });
    inside = tables;
    const stored = async () =>
      (
        await tables.query<{ line: string }>(`SELECT kind || ' ' || entity_id AS line FROM differences ORDER BY entity_id`)
      ).rows.map(({ line }) => line);
    await expect
      .poll(stored, patience)
      .toEqual(['differs products:CHAIR-1', 'only_left products:ONLY-A', 'only_right products:ONLY-B']);
    const answer = await fetch(`${runtime.api}/api/differences?difference=differs`, {
      headers: { authorization: `Bearer ${readFileSync(runtime.keyFile, 'utf8').trim()}` },
    });
    expect(JSON.stringify(await answer.json())).toContain('"PRICE":{"left":49.9,"right":52.5}');

    const pool = new FirebirdPool(placeFrom(placeOptions.parse({ url: /FIREBIRD_B=(\S+)/.exec(running.output())![1]! })), 1);
    await pool.transact('write', (transaction) => transaction.run(`UPDATE ARTICULO SET PRECIO = 49.90 WHERE CODIGO = 'CHAIR-1'`));
    await pool.transact('write', (transaction) => transaction.run(`DELETE FROM ARTICULO WHERE CODIGO = 'ONLY-B'`));
    await pool.close();
    await expect.poll(stored, patience).toEqual(['only_left products:ONLY-A']);
  } finally {
    await inside?.end();
    await running.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

function start(dataDir: string): { output(): string; stop(): Promise<void> } {
  const child: ChildProcess = spawn(process.execPath, [example, '--data-dir', dataDir, '--port', '0'], {
    env: { ...process.env, SYNC_INTERVAL: '300ms' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    output: () => output,
    async stop() {
      child.kill('SIGINT');
      await ended;
    },
  };
}
