import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Disagreement, disagreements, type Product } from '../../examples/four-way/side.ts';
import { type FourSystems, makePage, startSystems } from '../../examples/four-way/systems.ts';
import { fillSystems } from '../../examples/four-way/tour.ts';
import { descendantsOf } from '../../stack/process-identity.ts';
import { RunningRoles } from './running-roles.ts';
import { type StartedSyncline, startSyncline, survivorsOf } from './started-syncline.ts';
import { expectAccounted, quiet } from './stream-at-rest.ts';

const example = fileURLToPath(new URL('../../examples/four-way/', import.meta.url));
const patience = { timeout: 120_000, interval: 250 };
const names = ['supabase', 'postgres', 'wordpress', 'neon'];
const sold = ['LAMP-1', 'CHAIR-1', 'NEW-S', 'NEW-P', 'NEW-W', 'NEW-N'];
const rounds = 24;

test('Supabase, PostgreSQL, WordPress and Neon become equal after edits on every side, with sources and targets killed, and then nothing moves', {
  timeout: 900_000,
}, async () => {
  const systems = await startSystems(() => undefined);
  await fillSystems(systems);
  const syncline = await startSyncline(join(systems.directory, 'syncline'), {
    ...systems.environment,
    SYNCLINE_CONFIG: join(example, 'config.yml'),
    SYNC_INTERVAL: '300ms',
  });
  const roles = new RunningRoles(syncline);
  const { supabase, postgres, neon, wordpress } = systems;
  const told = () => quiet(syncline, names, 'products');
  try {
    await expect.poll(() => openQuestions(systems), patience).toEqual([]);
    expect(await master(systems)).toEqual([
      product('CHAIR-1', 'Chair', 'Oak, four legs', '80.00', 4),
      product('DESK-1', 'Writing desk', 'Walnut', '340.50', 1),
      // The master's name and price, and the text of WordPress.
      product('LAMP-1', 'Desk lamp', 'Warm light, < 5 W', '49.90', 12),
      product('SHELF-1', 'Shelf', 'For books & boxes', '129.00', 3, 'draft'),
    ]);

    await supabase.query(`INSERT INTO products (sku, name, price, stock) VALUES ('NEW-S', 'Sofa', 900, 50)`);
    await postgres.query(`INSERT INTO shop.article VALUES ('NEW-P', 'Silla Ñandú', 'a < b & c', 1999, 50, 'A')`);
    await makePage(wordpress, { sku: 'NEW-W', name: 'Bar stool', content: 'Steel &amp; oak', price: '35', stock: 50 });
    await neon.query(`INSERT INTO items VALUES ('NEW-N', 'Carpet', 'Wool', 12.3400, 50, 'live', 'a-carpet')`);
    await expect.poll(() => openQuestions(systems), patience).toEqual([]);
    expect((await master(systems)).filter(({ sku }) => sku.startsWith('NEW'))).toEqual([
      product('NEW-N', 'Carpet', 'Wool', '12.34', 50),
      product('NEW-P', 'Silla Ñandú', 'a < b & c', '19.99', 50),
      product('NEW-S', 'Sofa', '', '900.00', 50),
      product('NEW-W', 'Bar stool', 'Steel & oak', '35.00', 50),
    ]);
    expect(await page(systems, '/silla-nandu/')).toContain('a &lt; b &amp; c');
    expect(await page(systems, '/a-carpet/')).toContain('Wool');
    expect(await slugs(systems)).toMatchObject({
      'NEW-P': 'silla-nandu',
      'NEW-W': 'bar-stool',
      'NEW-N': 'a-carpet',
      'SHELF-1': '',
    });

    const pause = await roles.pidOf('source');
    process.kill(pause, 'SIGSTOP');
    await supabase.query(`UPDATE products SET name = 'Lamp of the master', description = 'from Supabase' WHERE sku = 'LAMP-1'`);
    await neon.query(`UPDATE items SET label = 'Lamp of a slave', amount = 55 WHERE sku = 'LAMP-1'`);
    await editPage(systems, 'LAMP-1', `'post_content' => 'from WordPress'`);
    await postgres.query(`UPDATE shop.article SET quantity = quantity - 2 WHERE code = 'LAMP-1'`);
    await neon.query(`UPDATE items SET on_hand = on_hand - 3 WHERE sku = 'LAMP-1'`);
    process.kill(pause, 'SIGCONT');
    await expect.poll(() => openQuestions(systems), patience).toEqual([]);
    await told();
    const lamp = product('LAMP-1', 'Lamp of the master', 'from WordPress', '55.00', 7);
    expect((await master(systems)).find(({ sku }) => sku === 'LAMP-1')).toEqual(lamp);
    const decided = await decisions(syncline, 'products:LAMP-1');
    expect(decided).toContain('concurrent-update name: priority, SUPABASE');
    expect(decided).toContain('concurrent-update description: source_wins, WORDPRESS');

    const before = (await master(systems)).reduce((sum, { stock }) => sum + stock, 0);
    let sales = 0;
    for (let round = 0; round < rounds; round++) {
      const sku = sold[round % sold.length]!;
      await Promise.all([
        supabase.query('UPDATE products SET stock = stock - 1 WHERE sku = $1', [sku]),
        postgres.query('UPDATE shop.article SET quantity = quantity - 1 WHERE code = $1', [sku]),
        neon.query('UPDATE items SET on_hand = on_hand - 1 WHERE sku = $1', [sku]),
      ]);
      sales += 3;
      if (round % 6 === 5) {
        await sellInWordpress(systems, sku);
        sales += 1;
      }
      if (round === rounds / 2) await roles.kill('source');
      await sleep(40);
    }
    await told();
    expect(await openQuestions(systems)).toEqual([]);

    for (let round = 0; round < rounds; round++) {
      const sku = sold[round % sold.length]!;
      await supabase.query('UPDATE products SET price = $2 WHERE sku = $1', [sku, 20 + round]);
      if (round % 3 === 0) await postgres.query('UPDATE shop.article SET title = $2 WHERE code = $1', [sku, `Title ${round}`]);
      if (round % 7 === 0) await editPage(systems, sku, `'post_content' => 'Text ${round}'`);
      if (round % 5 === 0) await neon.query(`UPDATE items SET visibility = 'retired' WHERE sku = $1`, [sku]);
      if (round % 12 === 6) await roles.kill('target');
      await sleep(40);
    }
    await postgres.query(`DELETE FROM shop.article WHERE code = 'DESK-1'`);
    const shelf = await pageOf(systems, 'SHELF-1');
    await wordpress.php(`wp_trash_post(${shelf});`);
    await roles.kill('target');
    await expect.poll(() => openQuestions(systems), patience).toEqual([]);
    await told();
    expect(await openQuestions(systems)).toEqual([]);
    const after = await master(systems);
    expect(after.map(({ sku }) => sku)).toEqual(['CHAIR-1', 'LAMP-1', 'NEW-N', 'NEW-P', 'NEW-S', 'NEW-W']);
    // The desk and the shelf, 1 and 3, are gone.
    expect(after.reduce((sum, { stock }) => sum + stock, 0)).toBe(before - 4 - sales);

    await wordpress.php(`wp_untrash_post(${shelf});`);
    await expect.poll(async () => (await master(systems)).map(({ sku }) => sku), patience).toContain('SHELF-1');
    await told();
    expect(await openQuestions(systems)).toEqual([]);
    await expectAccounted(syncline);
  } finally {
    await roles.close();
    syncline.signal('SIGINT');
    await syncline.ended;
    await systems.stop();
  }
});

test('the example of four systems: one command shows them, edits each, shows how they become equal, and leaves nothing behind at Ctrl-C', {
  timeout: 400_000,
}, async () => {
  const child: ChildProcess = spawn(process.execPath, [join(example, 'run.ts'), '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    await expect.poll(() => output, { timeout: 300_000, interval: 250 }).toContain('That was the tour');
    expect(output.match(/All four are equal/g)).toHaveLength(4);
    expect(output).toContain('Oak chair');
    expect(output).toContain('conflict_log: products:CHAIR-1 concurrent-update, priority');
  } finally {
    const family = descendantsOf(child.pid!);
    child.kill('SIGINT');
    expect(await ended, output).toBe(0);
    expect(await survivorsOf(family)).toEqual([]);
  }
  expect(existsSync(/SUPABASE_CA=(\S+)/.exec(output)![1]!)).toBe(false);
});

interface Conflicts {
  readonly items: readonly {
    readonly conflictType: string;
    readonly details: { readonly fields: Readonly<Record<string, { readonly rule: string; readonly holder: string }>> };
  }[];
}

/** What `conflict_log` says of an entity. */
async function decisions(syncline: StartedSyncline, entityId: string): Promise<string[]> {
  const { items } = (await syncline.get(`/api/conflicts?entity_id=${entityId}&limit=100`)).body as Conflicts;
  return items.flatMap(({ conflictType, details }) =>
    Object.entries(details.fields).map(([field, { rule, holder }]) => `${conflictType} ${field}: ${rule}, ${holder}`),
  );
}

function product(sku: string, name: string, description: string, price: string, stock: number, status = 'active'): Product {
  return { sku, name, description, price, stock, status };
}

async function openQuestions({ sides }: FourSystems): Promise<Disagreement[]> {
  return disagreements(await Promise.all(sides.map((side) => side.products())));
}

function master({ sides }: FourSystems): Promise<Product[]> {
  return sides[0]!.products();
}

async function slugs({ sides }: FourSystems): Promise<Record<string, string | undefined>> {
  return Object.fromEntries((await sides[3]!.products()).map(({ sku, slug }) => [sku, slug]));
}

async function page({ wordpress }: FourSystems, path: string): Promise<string> {
  return (await fetch(`${wordpress.url}${path}`)).text();
}

function pageOf({ wordpress }: FourSystems, sku: string): Promise<string> {
  return wordpress.php(
    `echo get_posts(['post_type' => 'page', 'post_status' => 'any', 'meta_key' => '_sku', 'meta_value' => '${sku}'])[0]->ID;`,
  );
}

async function sellInWordpress(systems: FourSystems, sku: string): Promise<void> {
  const id = await pageOf(systems, sku);
  await systems.wordpress.php(
    `$wpdb->query("UPDATE $wpdb->postmeta SET meta_value = meta_value - 1 WHERE meta_key = '_stock' AND post_id = ${id}");`,
  );
}

async function editPage(systems: FourSystems, sku: string, fields: string): Promise<void> {
  await systems.wordpress.php(`wp_update_post(['ID' => ${await pageOf(systems, sku)}, ${fields}]);`);
}
