import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { mysqlPool } from '../../tests/mysql-database.ts';
import { type Fate, SourceHouse } from '../../tests/source-world.ts';
import { openTestWordpress, type TestWordpress } from '../../tests/wordpress-site.ts';
import { postSourceOptions } from './post-options.ts';
import { createWordpressSource } from './wordpress-source.ts';

const kind = 'post';
const patience = { timeout: 60_000, interval: 50 };

let site: TestWordpress;
let house: SourceHouse;
const opened: SourceConnector[] = [];

beforeAll(async () => {
  site = await openTestWordpress();
});
afterAll(() => site.close());
beforeEach(async () => {
  house = new SourceHouse([kind]);
  await site.database.run('DELETE FROM wp_posts', 'DELETE FROM wp_postmeta', 'DELETE FROM wp_term_relationships');
});
afterEach(async () => {
  await house.close();
  await Promise.all(opened.splice(0).map((connector) => connector.close()));
});

function connector(
  options: object = {},
  key: readonly string[] = [],
  batchRowsMax = 50,
  url = site.database.url,
): SourceConnector {
  const made = createWordpressSource({
    place: { pool: mysqlPool(url, 4, '10s'), prefix: 'wp_', siteUrl: site.url },
    entities: [
      {
        kind,
        key,
        occurredAt: undefined,
        options: postSourceOptions.parse({ every: '100ms', compareEvery: '500ms', ...options }),
      },
    ],
    polling: { intervalMs: 100, batchRecordsMax: batchRowsMax },
    clock: systemClock,
  });
  opened.push(made);
  return made;
}

async function start(options: object = {}, key: readonly string[] = [], fate?: (operation: string) => Fate) {
  return house.start(connector(options, key), fate);
}

async function told(...fields: string[]): Promise<Record<string, unknown[]>> {
  const known = await house.told(kind);
  return Object.fromEntries([...known].map(([key, data]) => [key, fields.map((field) => data[field])]));
}

const insert = (title: string, more = '') =>
  `wp_insert_post(['post_title' => '${title}', 'post_content' => 'About ${title}', 'post_status' => 'publish', ${more}])`;

it('a post is told with its row, its meta, its terms and its picture, as WordPress wrote them', async () => {
  const id = await site.php(`
    $id = ${insert('Lamp', `'tags_input' => ['red', 'R & B'], 'post_category' => [wp_create_category('Lights')]`).replace('wp_insert_post', `require_once ABSPATH . 'wp-admin/includes/taxonomy.php'; $x = 0; $id = wp_insert_post`)};
    update_post_meta($id, '_price', '12.50'); update_post_meta($id, '_options', ['sizes' => ['S', 'Ü'], 'on' => true, 'n' => 1.5]);
    update_post_meta($id, '_featured', 'yes');
    $image = wp_insert_attachment(['post_title' => 'lamp', 'post_mime_type' => 'image/jpeg'], '2026/03/lamp.jpg', $id);
    set_post_thumbnail($id, $image); echo $id;`);
  await start({
    meta: {
      price: { key: '_price', as: 'number' },
      options: { key: '_options', as: 'php' },
      featured: { key: '_featured', as: 'boolean' },
      missing: '_none',
    },
    terms: { tags: 'post_tag', categories: 'category' },
    featuredImage: 'image',
  });
  await expect
    .poll(async () => (await house.told(kind)).get(id), patience)
    .toMatchObject({
      ID: Number(id),
      post_title: 'Lamp',
      post_name: 'lamp',
      post_status: 'publish',
      post_date_gmt: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      price: 12.5,
      options: { sizes: ['S', 'Ü'], on: true, n: 1.5 },
      featured: true,
      missing: null,
      tags: ['R & B', 'red'],
      categories: ['Lights'],
      image: `${site.url}/wp-content/uploads/2026/03/lamp.jpg`,
    });
});

it('new, changed, trashed, restored and deleted posts are told, and drafts of the editor and revisions are not', async () => {
  const [first, second, third] = (
    await site.php(`echo implode(',', [${insert('One')}, ${insert('Two')}, ${insert('Three')}]);`)
  ).split(',');
  await start();
  await expect.poll(() => told('post_title'), patience).toEqual({ [first!]: ['One'], [second!]: ['Two'], [third!]: ['Three'] });
  await site.php(`wp_update_post(['ID' => ${first}, 'post_title' => 'Uno']); wp_trash_post(${second}); wp_delete_post(${third}, true);
    wp_insert_post(['post_title' => 'editing', 'post_status' => 'auto-draft']);`);
  await expect.poll(() => told('post_title'), patience).toEqual({ [first!]: ['Uno'] });
  await site.php(`wp_untrash_post(${second});`);
  await expect
    .poll(() => told('post_title', 'post_status'), patience)
    .toEqual({ [first!]: ['Uno', 'publish'], [second!]: ['Two', 'draft'] });
});

it('a meta that changes while the post does not is told, and so is the change back', async () => {
  const id = await site.php(`$id = ${insert('Lamp')}; update_post_meta($id, '_price', '1'); echo $id;`);
  await start({ meta: { price: '_price' } });
  for (const price of ['1', '2', '1', '3', '1']) {
    await site.php(`update_post_meta(${id}, '_price', '${price}');`);
    await expect.poll(() => told('price'), patience).toEqual({ [id]: [price] });
  }
  const positions = (await house.events(kind)).map(({ position }) => position);
  expect(positions).toEqual([...positions].sort());
});

it('a meta that changes and changes back between two comparisons leaves what was there', async () => {
  const id = await site.php(`$id = ${insert('Lamp')}; update_post_meta($id, '_price', '1'); echo $id;`);
  const setPrice = (price: string) =>
    site.database.run(`UPDATE wp_postmeta SET meta_value = '${price}' WHERE post_id = ${id} AND meta_key = '_price'`);
  await start({ meta: { price: '_price' }, compareEvery: '3s', overlap: '500ms' });
  await expect.poll(() => told('price'), patience).toEqual({ [id]: ['1'] });
  await setPrice('2');
  // Long enough for polling to look, and then to look no more; and for the next comparison.
  await sleep(1_800);
  await setPrice('1');
  await sleep(4_000);
  expect(await told('price')).toEqual({ [id]: ['1'] });
});

it('a changed post is told long before the next comparison', async () => {
  const id = await site.php(`echo ${insert('Lamp')};`);
  await start({ compareEvery: '1h' });
  await expect.poll(() => told('post_title'), patience).toEqual({ [id]: ['Lamp'] });
  await expect.poll(() => house.view(kind)?.phase, patience).toBe('waiting');
  await sleep(1_100);
  await site.php(`wp_update_post(['ID' => ${id}, 'post_title' => 'Lampe']);`);
  await expect.poll(() => told('post_title'), patience).toEqual({ [id]: ['Lampe'] });
});

/** As an import does it: WordPress itself takes a tenth of a second for each. */
async function insertMany(count: number, skuOf: (n: number) => string = (n) => `S${n}`): Promise<void> {
  const now = '2026-03-01 12:00:00';
  const texts = `'', 'p', '', 'publish', '', '', '', ''`;
  const posts = Array.from(
    { length: count },
    (_none, n) => `(${1_000 + n}, 1, '${now}', '${now}', '${now}', '${now}', ${texts})`,
  );
  const metas = Array.from({ length: count }, (_none, n) => `(${1_000 + n}, '_sku', '${skuOf(n)}')`);
  await site.database.run(
    `INSERT INTO wp_posts (ID, post_author, post_date, post_date_gmt, post_modified, post_modified_gmt,
       post_content, post_title, post_excerpt, post_status, post_name, to_ping, pinged, post_content_filtered) VALUES ${posts.join(', ')}`,
    `INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES ${metas.join(', ')}`,
  );
}

it('posts are found by a meta, whose first value counts; what has none is no record, and two that share one are a fault', async () => {
  await site.php(`foreach (['B' => 'two', 'a' => 'one', 'C' => 'three'] as $sku => $title) {
      $id = ${insert('x').replace(`'x'`, '$title')}; add_post_meta($id, '_sku', $sku); add_post_meta($id, '_sku', 'second'); add_post_meta($id, '_SKU', 'other');
    } ${insert('none')};`);
  const options = { meta: { sku: '_sku' } };
  await start(options, ['sku']);
  await expect.poll(() => told('post_title'), patience).toEqual({ B: ['two'], a: ['one'], C: ['three'] });
  await site.php(`$id = ${insert('four')}; add_post_meta($id, '_sku', 'B');`);
  await expect.poll(() => house.view(kind)?.reason, patience).toMatch(/apart: B stands in more than one/);
});

it('a key that moves from a later post to an earlier one stays known', async () => {
  await insertMany(200);
  await start({ meta: { sku: '_sku' } }, ['sku']);
  await expect.poll(async () => Object.keys(await told('sku')).length, patience).toBe(200);
  await site.database.run(
    `DELETE FROM wp_postmeta WHERE post_id = 1199 AND meta_key = '_sku'`,
    `UPDATE wp_postmeta SET meta_value = 'S199' WHERE post_id = 1000 AND meta_key = '_sku'`,
  );
  await expect.poll(async () => (await told('ID')).S199, patience).toEqual([1_000]);
  expect(Object.keys(await told('ID'))).toHaveLength(199);
});

it('a process that dies while it reads for the first time is followed at its chunk, and loses nothing', async () => {
  await insertMany(300);
  let stored = 0;
  await start({}, [], (operation) => (operation === 'source.advance' && ++stored === 5 ? 'dies-after' : 'lives'));
  await expect.poll(() => stored, patience).toBe(5);
  await site.php(`wp_delete_post(1000, true); wp_update_post(['ID' => 1001, 'post_title' => 'changed']);`);
  await start();
  const standing = async () => {
    const rows = await site.database.rows(
      `SELECT ID, post_title FROM wp_posts WHERE post_type = 'post' AND post_status = 'publish'`,
    );
    return Object.fromEntries(rows.map(([id, title]) => [id, [title]]));
  };
  await expect.poll(() => told('post_title'), patience).toEqual(await standing());
});

it('a right that is missing is named, and so is another prefix', async () => {
  const { url, user } = await site.database.newUser();
  await site.database.run(`GRANT SELECT ON wp_posts TO ${user}`);
  const [stream] = connector({}, [], 50, url).streams;
  expect((await stream!.check()).problem).toMatchObject({
    code: 'source.misconfigured',
    message: expect.stringMatching(/GRANT SELECT ON `\w+`\.`wp_postmeta`/),
  });
  const other = createWordpressSource({
    place: { pool: mysqlPool(site.database.url, 1), prefix: 'wo_', siteUrl: undefined },
    entities: [{ kind, key: [], occurredAt: undefined, options: postSourceOptions.parse({}) }],
    polling: { intervalMs: 100, batchRecordsMax: 50 },
    clock: systemClock,
  });
  opened.push(other);
  expect((await other.streams[0]!.check()).problem?.message).toMatch(/did you mean wp_\?/);
});
