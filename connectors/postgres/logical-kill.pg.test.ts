import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningStack, startStack } from '../../stack/stack.ts';
import { logicalPostgres } from '../../tests/logical-world.ts';
import { SourceHouse } from '../../tests/source-world.ts';

let stack: RunningStack;
const folder = mkdtempSync(join(tmpdir(), 'logical-kill-'));

beforeAll(async () => {
  stack = await startStack({ dataDir: folder, parts: ['postgres'], fast: true, disposable: true });
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('a server that is killed while its log is read loses nothing and tells nothing twice in another order', {
  timeout: 120_000,
}, async () => {
  const url = stack.addresses.postgres!;
  const run = async (text: string, values: unknown[] = []) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.query(text, values);
    } finally {
      await client.end();
    }
  };
  await run('CREATE TABLE a (id INT PRIMARY KEY, n INT)');
  await run('INSERT INTO a SELECT n, 0 FROM generate_series(1, 3000) AS n');
  const house = new SourceHouse(['a']);
  const connector = logicalPostgres(url, [{ kind: 'a' }], 50);
  await house.start(connector);
  try {
    for (let kill = 1; kill <= 3; kill++) {
      // The first time while everything is read, later among the changes.
      await expect.poll(() => house.records('a').length, { timeout: 60_000, interval: 5 }).toBeGreaterThan(kill * 200);
      for (let round = 0; round < 10; round++) {
        await run('UPDATE a SET n = n + 1 WHERE id % 10 = $1', [round]);
        await run('DELETE FROM a WHERE id = $1', [kill * 100 + round]);
      }
      await stack.part('postgres').kill('SIGKILL');
      await sleep(100);
      await stack.part('postgres').start();
    }
    await run('INSERT INTO a VALUES (9000, 1)');
    const { rows } = await run('SELECT id, n FROM a ORDER BY id');
    const standing = Object.fromEntries(rows.map((row) => [String(row.id), row]));
    await expect
      .poll(async () => Object.fromEntries(await house.told('a')), { timeout: 60_000, interval: 200 })
      .toEqual(standing);
    expect(house.view('a')?.epoch).toBe(1);
    const positions = new Map<string, string[]>();
    for (const { key, position } of await house.events('a')) positions.set(key, [...(positions.get(key) ?? []), position]);
    for (const [key, of] of positions) expect([key, [...new Set(of)]]).toEqual([key, [...new Set(of)].sort()]);
  } finally {
    await house.close();
    await connector.close();
  }
});
