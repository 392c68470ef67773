import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Disagreement, disagreements, type Product } from '../../examples/four-way/side.ts';
import { type FourSystems, makePage, startSystems } from '../../examples/four-way/systems.ts';
import { fillSystems } from '../../examples/four-way/tour.ts';
import { descendantsOf } from '../../stack/process-identity.ts';
import { RunningRoles } from './running-roles.ts';
import { startSyncline, survivorsOf } from './started-syncline.ts';
import { expectAccounted, quiet } from './stream-at-rest.ts';

const example = fileURLToPath(new URL('../../examples/four-way/', import.meta.url));
const patience = { timeout: 120_000, interval: 250 };
const names = ['supabase', 'postgres', 'wordpress', 'neon'];

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

    // One after the other: what happens when two of them edit one field at once is the matter of conflicts.e2e.test.ts.
    const settled = async () => {
      await expect.poll(() => openQuestions(systems), patience).toEqual([]);
      await told();
      expect(await openQuestions(systems)).toEqual([]);
    };
    const lamp = async () => (await master(systems)).find(({ sku }) => sku === 'LAMP-1');
    await told();
    await supabase.query(`UPDATE products SET name = 'Lamp of the master', description = 'from Supabase' WHERE sku = 'LAMP-1'`);
    await settled();
    await Promise.all([
      neon.query(`UPDATE items SET amount = 55 WHERE sku = 'LAMP-1'`),
      editPage(systems, 'CHAIR-1', `'post_content' => 'from WordPress'`),
      postgres.query(`UPDATE shop.article SET quantity = quantity - 2 WHERE code = 'SHELF-1'`),
    ]);
    await settled();
    expect(await lamp()).toEqual(product('LAMP-1', 'Lamp of the master', 'from Supabase', '55.00', 12));
    expect((await master(systems)).find(({ sku }) => sku === 'CHAIR-1')?.description).toBe('from WordPress');

    await roles.kill('source');
    await neon.query(`UPDATE items SET on_hand = on_hand - 3 WHERE sku = 'LAMP-1'`);
    await sellInWordpress(systems, 'CHAIR-1');
    await supabase.query(`UPDATE products SET price = 20 WHERE sku = 'NEW-N'`);
    await settled();
    await roles.kill('target');
    await supabase.query(`UPDATE products SET price = 21 WHERE sku = 'NEW-P'`);
    await postgres.query(`UPDATE shop.article SET title = 'Silla' WHERE code = 'NEW-S'`);
    await settled();
    expect((await lamp())?.stock).toBe(9);

    await postgres.query(`DELETE FROM shop.article WHERE code = 'DESK-1'`);
    await wordpress.php(`wp_trash_post(${await pageOf(systems, 'SHELF-1')});`);
    await settled();
    const after = await master(systems);
    expect(after.map(({ sku }) => sku)).toEqual(['CHAIR-1', 'LAMP-1', 'NEW-N', 'NEW-P', 'NEW-S', 'NEW-W']);
    // The shelf had 3 and sold 2; the desk had 1. They are gone, and 4 were sold of the others.
    expect(after.reduce((sum, { stock }) => sum + stock, 0)).toBe(12 + 4 + 4 * 50 - 4);

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
