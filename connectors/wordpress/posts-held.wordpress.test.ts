import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import { mysqlPool } from '../../tests/mysql-database.ts';
import { SourceHouse } from '../../tests/source-world.ts';
import { openTestWordpress, type TestWordpress } from '../../tests/wordpress-site.ts';
import { postSourceOptions } from './post-options.ts';
import { createWordpressSource } from './wordpress-source.ts';

const kind = 'post';
let site: TestWordpress;

beforeAll(async () => {
  site = await openTestWordpress();
  await site.database.run('DELETE FROM wp_posts', 'DELETE FROM wp_postmeta', 'DELETE FROM wp_term_relationships');
});
afterAll(() => site.close());

it.each([
  ['id', []],
  ['slug', ['post_name']],
  ['meta', ['sku']],
])('posts are met and found by their keys as they are told: %s', async (_what, key) => {
  await site.database.run('DELETE FROM wp_posts', 'DELETE FROM wp_postmeta');
  await site.php(`foreach (['Lamp', 'Chair', 'Ä & B'] as $n => $title) {
    $id = wp_insert_post(['post_title' => $title, 'post_status' => 'publish', 'tags_input' => ['red']]);
    update_post_meta($id, '_sku', "SKU-$n"); } echo 'done';`);
  const options = postSourceOptions.parse({
    every: '100ms',
    compareEvery: '500ms',
    meta: { sku: '_sku' },
    terms: { tags: 'post_tag' },
  });
  const connector = createWordpressSource({
    place: { pool: mysqlPool(site.database.url, 4, '10s'), prefix: 'wp_', siteUrl: site.url },
    entities: [{ kind, key, occurredAt: undefined, options }],
    polling: { intervalMs: 100, batchRecordsMax: 50 },
    clock: systemClock,
  });
  const house = new SourceHouse([kind]);
  try {
    await house.start(connector);
    await expect.poll(async () => (await house.told(kind)).size, { timeout: 60_000 }).toBe(3);
    const wanted = await house.told(kind);
    const reader = connector.reader!;
    await reader.open();
    const { rows } = await reader.readRange(kind, null, 10);
    expect(new Map(rows.map((row) => [row.key, row.row]))).toEqual(wanted);
    const [one] = wanted.keys();
    const found = await reader.readKeys(kind, [one!, 'nothing', '0', '']);
    expect(found.map((row) => [row.key, row.row])).toEqual([[one, wanted.get(one!)]]);
  } finally {
    await house.close();
    await connector.close();
  }
});
