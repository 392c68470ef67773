import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../test-database.ts';
import { openTestWordpress } from '../wordpress-site.ts';
import { startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../fixtures/config/wordpress.yml', import.meta.url));
const patience = { timeout: 90_000, interval: 300 };

test('posts written in WordPress are rows of a table, rows of the table are posts on their pages, and edits on both sides meet', {
  timeout: 400_000,
}, async () => {
  const blog = await openTestWordpress();
  const office = await openTestDatabase();
  await office.pool.query(
    'CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT, description TEXT, price NUMERIC(10,2), tags TEXT[])',
  );
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-wordpress-'));
  const syncline = await startSyncline(dataDir, {
    SYNCLINE_CONFIG: config,
    BLOG_DATABASE_URL: blog.database.url,
    BLOG_URL: blog.url,
    OFFICE_URL: office.url,
  });
  const rows = async () =>
    (await office.pool.query('SELECT sku, name, description, price::float8 AS price, tags FROM product ORDER BY sku')).rows;
  const lamp = { sku: 'L-1', name: 'Lamp', description: 'Warm light', price: 12.5, tags: ['light', 'new'] };
  const chair = { sku: 'C-1', name: 'Silla Ñandú', description: 'Para sentarse', price: 80, tags: ['wood'] };
  try {
    const id =
      await blog.php(`$id = wp_insert_post(['post_title' => 'Lamp', 'post_content' => 'Warm light', 'post_status' => 'publish', 'tags_input' => ['new', 'light']]);
      update_post_meta($id, '_sku', 'L-1'); update_post_meta($id, '_price', '12.50'); echo $id;`);
    await expect.poll(rows, patience).toEqual([lamp]);

    await office.pool.query('INSERT INTO product VALUES ($1, $2, $3, $4, $5)', Object.values(chair));
    await expect.poll(() => blog.page('/silla-nandu/'), patience).toContain('Para sentarse');
    expect(await blog.rest('/posts?slug=silla-nandu')).toMatchObject([{ status: 'publish', title: { rendered: 'Silla Ñandú' } }]);

    await blog.php(`update_post_meta(${id}, '_price', '15');`);
    await expect.poll(rows, patience).toEqual([chair, { ...lamp, price: 15 }]);
    await office.pool.query(`UPDATE product SET name = 'Desk lamp', tags = '{desk}' WHERE sku = 'L-1'`);
    await expect
      .poll(() => blog.rest(`/posts/${id}`), patience)
      .toMatchObject({ title: { rendered: 'Desk lamp' }, slug: 'lamp' });
    await expect
      .poll(() => blog.php(`echo implode(',', wp_get_post_tags(${id}, ['fields' => 'names']));`), patience)
      .toBe('desk');

    await blog.php(`wp_trash_post(${id});`);
    await expect.poll(rows, patience).toEqual([chair]);
    await office.pool.query(`DELETE FROM product WHERE sku = 'C-1'`);
    const chairIs = () => blog.database.rows(`SELECT post_status FROM wp_posts WHERE post_title = 'Silla Ñandú'`);
    await expect.poll(chairIs, patience).toEqual([['trash']]);
    expect(await blog.rest('/posts?slug=silla-nandu')).toEqual([]);
    await expect.poll(() => syncline.get('/api/accounting'), patience).toMatchObject({ body: { balanced: true } });
    expect(await syncline.get('/api/dead-letters')).toMatchObject({ body: { items: [] } });
  } finally {
    syncline.signal('SIGINT');
    await syncline.ended;
    await blog.close();
    await office.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
