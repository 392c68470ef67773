import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TargetRow } from '../../core/ports/target-connector.ts';
import { describeTargetConnector } from '../../tests/contracts/target-connector.ts';
import { mysqlPool } from '../../tests/mysql-database.ts';
import { openTestWordpress, type TestWordpress } from '../../tests/wordpress-site.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import { postTargetOptions } from './post-options.ts';
import { postPlanOf } from './post-plan.ts';
import { slugOf } from './slug.ts';
import { WordpressTarget } from './wordpress-target.ts';

let site: TestWordpress;

beforeAll(async () => {
  site = await openTestWordpress();
});
afterAll(() => site.close());

const emptied = ['wp_posts', 'wp_postmeta', 'wp_term_relationships'].map((table) => `DELETE FROM ${table}`);

function targetOn(key: string, options: object, url = site.database.url): WordpressTarget {
  const { status, author, onDelete, ...record } = postTargetOptions.parse(options);
  const plan = postPlanOf('product', [key], record, null);
  return new WordpressTarget({ pool: mysqlPool(url), prefix: 'wp_', siteUrl: site.url }, [
    { plan, rules: { status, author }, onDelete },
  ]);
}

describeTargetConnector('WordPress', async () => {
  const { database } = site;
  await database.run(
    ...emptied,
    ...['INSERT', 'UPDATE'].map(
      (event) => `CREATE OR REPLACE TRIGGER contract_${event} BEFORE ${event} ON wp_postmeta FOR EACH ROW BEGIN
        IF NEW.meta_key = 'label' THEN SET NEW.meta_value = UPPER(NEW.meta_value); END IF;
        IF NEW.meta_key = 'stock' AND NEW.meta_value < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never below 0'; END IF; END`,
    ),
  );
  const fields = { sku: 'sku', label: 'label', stock: { key: 'stock', as: 'number' }, note: 'note' };
  const connector = targetOn('sku', { postType: 'post', meta: fields });
  await connector.open();
  const idOf = async (key: string) =>
    (await database.rows(`SELECT post_id FROM wp_postmeta WHERE meta_key = 'sku' AND meta_value = '${key}'`))[0]?.[0];
  return {
    connector,
    async put(key, row) {
      const id = await idOf(key);
      if (id !== undefined)
        await database.run(`DELETE FROM wp_posts WHERE ID = ${id}`, `DELETE FROM wp_postmeta WHERE post_id = ${id}`);
      if (row === null) return;
      const times = ['post_date', 'post_date_gmt', 'post_modified', 'post_modified_gmt'].map((column) => `${column} = NOW()`);
      const texts = ['content', 'title', 'excerpt', 'name'].map((column) => `post_${column} = '${column === 'name' ? key : ''}'`);
      const metas = Object.entries({ stock: 0, ...row, sku: key }).filter(([, value]) => value !== null);
      await database.pool.use((session) =>
        session.run([
          `INSERT INTO wp_posts SET ${[...times, ...texts, `to_ping = ''`, `pinged = ''`, `post_content_filtered = ''`].join(', ')}`,
          'SET @id = LAST_INSERT_ID()',
          ...metas.map(
            ([name, value]) =>
              `INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (@id, '${name}', ${textLiteral(String(value))})`,
          ),
        ]),
      );
    },
    async at(key) {
      const id = await idOf(key);
      const [shown] = await database.rows(`SELECT post_status FROM wp_posts WHERE ID = ${id ?? 0}`);
      if (shown?.[0] !== 'publish') return null;
      const rows = await database.rows(`SELECT meta_key, meta_value FROM wp_postmeta WHERE post_id = ${id}`);
      const { sku, label, stock, note } = Object.fromEntries(rows);
      return { sku, label: label ?? null, stock: stock === undefined ? null : Number(stock), note: note ?? null } as TargetRow;
    },
    close: () => connector.close(),
  };
});

describe('a WordPress as a target', () => {
  const opened: WordpressTarget[] = [];
  const record = {
    postType: 'post',
    meta: { sku: '_sku', price: { key: '_price', as: 'number' }, sizes: { key: '_sizes', as: 'php' } },
    terms: { tags: 'post_tag', categories: 'category' },
    featuredImage: 'image',
  };

  beforeEach(async () => {
    await site.database.run(...emptied, 'DROP TRIGGER IF EXISTS contract_INSERT', 'DROP TRIGGER IF EXISTS contract_UPDATE');
  });
  afterEach(async () => {
    for (const target of opened.splice(0)) await target.close();
  });

  async function target(options: object = record, key = 'sku', url?: string): Promise<WordpressTarget> {
    const made = targetOn(key, options, url);
    opened.push(made);
    await made.open();
    return made;
  }

  async function write(made: WordpressTarget, row: TargetRow, key = String(row.sku)): Promise<TargetRow | null> {
    const [result] = await made.write('product', [{ key, decide: () => ({ kind: 'write', row }) }]);
    return result?.kind === 'written' ? result.returned : null;
  }

  async function remove(made: WordpressTarget, key: string): Promise<void> {
    await made.write('product', [{ key, decide: () => ({ kind: 'delete' }) }]);
  }

  it('a new post is on its page and in the REST interface, as if it had been written there', async () => {
    await site.php(`update_option('timezone_string', 'Europe/Madrid');`);
    const made = await target();
    const row = {
      sku: 'L-1',
      post_title: 'Lámpara & <b>Café</b> Ñandú',
      post_content: '<p>Warm light, 漢字 😀</p>',
      post_excerpt: 'short',
      post_date_gmt: '2026-03-01T10:30:00Z',
      price: 12.5,
      sizes: ['S', { Ü: true }],
      tags: ['R & B', 'new'],
      categories: ['Lights'],
    };
    const returned = await write(made, row);
    expect(returned).toMatchObject({
      ...row,
      post_name: 'lampara-cafe-nandu',
      post_status: 'publish',
      post_date: '2026-03-01T11:30:00',
      image: null,
    });
    const id = returned!.ID as number;
    const page = await site.page('/lampara-cafe-nandu/');
    expect(page).toContain('Warm light, 漢字 😀');
    expect(page).toContain('<b>Café</b> Ñandú');
    const [shown] = await site.rest<Record<string, unknown>[]>('/posts?slug=lampara-cafe-nandu');
    expect(shown).toMatchObject({
      id,
      date: '2026-03-01T11:30:00',
      date_gmt: '2026-03-01T10:30:00',
      slug: 'lampara-cafe-nandu',
      status: 'publish',
      author: 1,
      comment_status: 'open',
      guid: { rendered: `${site.url}/?p=${id}` },
      title: { rendered: 'Lámpara &#038; <b>Café</b> Ñandú' },
    });
    expect(
      await site.php(`echo json_encode([get_post_meta(${id}, '_price', true), get_post_meta(${id}, '_sizes', true)]);`),
    ).toBe(JSON.stringify(['12.5', ['S', { Ü: true }]]).replace('Ü', '\\u00dc'));
    const tags = await site.rest<{ name: string; slug: string; count: number }[]>(`/tags?post=${id}`);
    expect(tags.map(({ name, slug, count }) => [name, slug, count])).toEqual([
      ['new', 'new', 1],
      ['R &amp; B', 'r-b', 1],
    ]);
    expect(await site.rest('/categories?search=Lights')).toMatchObject([{ name: 'Lights', count: 1 }]);
    expect(await site.database.rows(`SELECT COUNT(*) FROM wp_posts WHERE post_type = 'revision'`)).toEqual([['0']]);
  });

  it('a changed post moves what belongs to it, keeps what was not said, and its former address leads to the new one', async () => {
    const made = await target();
    const first = await write(made, {
      sku: 'A',
      post_title: 'One',
      post_content: 'x',
      price: 1,
      tags: ['old', 'stays'],
      categories: ['C'],
    });
    await site.php(`add_post_meta(${first!.ID}, '_theirs', 'kept');`);
    const second = await write(made, { sku: 'A', post_name: 'Two words', price: null, tags: ['stays', 'new'] });
    expect(second).toMatchObject({
      ID: first!.ID,
      post_title: 'One',
      post_name: 'two-words',
      price: null,
      tags: ['new', 'stays'],
      categories: ['C'],
    });
    expect(second!.guid).toBe(first!.guid);
    expect(await site.php(`echo get_post_meta(${first!.ID}, '_theirs', true);`)).toBe('kept');
    const counts = await site.rest<{ name: string; count: number }[]>('/tags?per_page=100');
    expect(Object.fromEntries(counts.map(({ name, count }) => [name, count]))).toMatchObject({ old: 0, stays: 1, new: 1 });
    const led = await fetch(`${site.url}/one/`, { redirect: 'manual' });
    expect([led.status, led.headers.get('location')]).toEqual([301, `${site.url}/two-words/`]);
  });

  it('what says nothing new writes nothing', async () => {
    const made = await target();
    const first = await write(made, { sku: 'A', post_title: 'One', price: 1, tags: ['t'] });
    await site.database.run(`UPDATE wp_posts SET post_modified_gmt = '2020-01-01 00:00:00' WHERE ID = ${first!.ID}`);
    const again = await write(made, { sku: 'A', post_title: 'One', price: 1, tags: ['t'], post_name: 'one' });
    expect(again!.post_modified_gmt).toBe('2020-01-01T00:00:00Z');
    expect((await write(made, { sku: 'A', price: 2 }))!.post_modified_gmt).not.toBe('2020-01-01T00:00:00Z');
  });

  it('two posts of one title get addresses of their own, and a draft gets one when it is published', async () => {
    const made = await target();
    const slugs: unknown[] = [];
    for (const sku of ['A', 'B', 'C']) slugs.push((await write(made, { sku, post_title: 'Same' }))!.post_name);
    expect(slugs).toEqual(['same', 'same-2', 'same-3']);
    expect(await write(made, { sku: 'D', post_title: 'Same', post_status: 'draft' })).toMatchObject({
      post_name: '',
      post_date_gmt: null,
    });
    expect((await write(made, { sku: 'D', post_status: 'publish' }))!).toMatchObject({
      post_name: 'same-4',
      post_date_gmt: expect.stringMatching(/^20/),
    });
  });

  it('a deletion goes to the trash, from where WordPress restores it, and so does a later write', async () => {
    const made = await target();
    const first = await write(made, { sku: 'A', post_title: 'One', tags: ['t'] });
    await remove(made, 'A');
    expect(await site.php(`echo get_post_status(${first!.ID}), get_post(${first!.ID})->post_name;`)).toBe('trashone__trashed');
    expect(await site.rest('/tags?search=t&per_page=100')).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 't', count: 0 })]),
    );
    await site.php(`wp_untrash_post(${first!.ID}); wp_publish_post(${first!.ID});`);
    expect(await write(made, { sku: 'A', price: 3 })).toMatchObject({ ID: first!.ID, post_name: 'one', price: 3 });
    await remove(made, 'A');
    expect(await write(made, { sku: 'A', post_title: 'One' })).toMatchObject({
      ID: first!.ID,
      post_status: 'publish',
      post_name: 'one',
      tags: ['t'],
    });
    const left = await site.database.rows(
      `SELECT meta_key FROM wp_postmeta WHERE post_id = ${first!.ID} AND meta_key LIKE '%trash%'`,
    );
    expect(left).toEqual([]);
  });

  it('a deletion for good leaves nothing behind', async () => {
    const made = await target({ ...record, onDelete: 'delete' });
    const first = await write(made, { sku: 'A', post_title: 'One', tags: ['t'], price: 1 });
    await site.php(`wp_update_post(['ID' => ${first!.ID}, 'post_title' => 'Two']);
      wp_insert_comment(['comment_post_ID' => ${first!.ID}, 'comment_content' => 'hi', 'comment_meta' => ['a' => 'b']]);`);
    await remove(made, 'A');
    const id = first!.ID;
    const counted = [
      'wp_posts WHERE ID',
      'wp_posts WHERE post_parent',
      'wp_postmeta WHERE post_id',
      'wp_term_relationships WHERE object_id',
      'wp_comments WHERE comment_post_ID',
    ];
    for (const place of counted)
      expect([place, await site.database.rows(`SELECT COUNT(*) FROM ${place} = ${id}`)]).toEqual([place, [['0']]]);
  });

  it('a picture of the media library is featured by its address, and another address is refused with its reason', async () => {
    const made = await target();
    const image = await site.php(
      `echo wp_insert_attachment(['post_title' => 'lamp', 'post_mime_type' => 'image/jpeg'], '2026/03/lamp.jpg');`,
    );
    const address = `${site.url}/wp-content/uploads/2026/03/lamp.jpg`;
    const first = await write(made, { sku: 'A', post_title: 'One', image: address });
    expect(first!.image).toBe(address);
    expect(await site.rest(`/posts/${first!.ID}`)).toMatchObject({ featured_media: Number(image) });
    await expect(write(made, { sku: 'A', image: 'https://elsewhere.example/x.jpg' })).rejects.toThrow('not in the media library');
    expect((await write(made, { sku: 'A', image: null }))!.image).toBeNull();
  });

  it('posts are written by their id and by their slug as well', async () => {
    const byId = await target({ ...record, postType: 'page' }, 'ID');
    expect(await write(byId, { post_title: 'Seventy' }, '7000')).toMatchObject({
      ID: 7000,
      post_type: 'page',
      guid: `${site.url}/?page_id=7000`,
    });
    expect(await write(byId, { post_title: 'Seventy!' }, '7000')).toMatchObject({
      ID: 7000,
      post_title: 'Seventy!',
      post_name: 'seventy',
    });
    const bySlug = await target(record, 'post_name');
    expect(await write(bySlug, { post_title: 'About' }, 'about-us')).toMatchObject({ post_name: 'about-us' });
    await expect(write(bySlug, { post_title: 'About' }, 'About Us')).rejects.toThrow(
      'WordPress keeps no post with post_name About Us',
    );
    expect(await site.database.rows(`SELECT post_name FROM wp_posts WHERE post_type = 'post'`)).toEqual([['about-us']]);
  });

  it('a field that is nowhere is a fault of the row, and a right that is missing is named', async () => {
    const made = await target();
    await expect(write(made, { sku: 'A', titel: 'x' })).rejects.toThrow('`fields.titel`');
    const { url, user } = await site.database.newUser();
    await site.database.run(`GRANT SELECT ON ${site.database.name}.* TO ${user}`);
    await expect(target(record, 'sku', url)).rejects.toMatchObject({
      code: 'target.misconfigured',
      message: expect.stringContaining('GRANT SELECT, INSERT, UPDATE, DELETE ON'),
    });
    const rights = ['posts', 'postmeta', 'terms', 'term_taxonomy', 'term_relationships'].map(
      (table) => `GRANT SELECT, INSERT, UPDATE, DELETE ON wp_${table} TO ${user}`,
    );
    await site.database.run(...rights, `GRANT SELECT, UPDATE ON wp_options TO ${user}`);
    expect(await write(await target(record, 'sku', url), { sku: 'A', post_title: 'x' })).toMatchObject({ sku: 'A' });
  });

  it('is read back in the order of its key, every record once', async () => {
    const made = await target();
    const skus = ['b', 'A', 'ä', 'a', '10', '9'];
    for (const sku of [...skus, 'gone']) await write(made, { sku, post_title: 'x', post_name: `s-${sku}` });
    await remove(made, 'gone');
    await site.php(`wp_insert_post(['post_title' => 'no key', 'post_status' => 'publish']);`);
    const met: string[] = [];
    for (let after = null; ; ) {
      const { rows, next } = await made.readRange('product', after, 2);
      met.push(...rows.map(({ key }) => key));
      if (next === null) break;
      after = JSON.parse(JSON.stringify(next));
    }
    expect(met).toEqual(['10', '9', 'A', 'a', 'b', 'ä']);
    expect((await made.readKeys('product', ['a', 'gone', 'none'])).map(({ key, row }) => [key, row.sku])).toEqual([['a', 'a']]);
  });

  it('slugs are those WordPress makes', async () => {
    const titles = [
      'Hello World',
      '  Über-Größe: Straße & Öl  ',
      'Ñandú — «café» 50% off',
      'a.b/c_d',
      '漢字 テスト',
      'emoji 😀 here',
      'Łódź Çelik ğ ø å æ œ ð þ',
      "It's “quoted” … ok™",
      '100%25 sure',
      'x × y',
      '&amp; &nbsp; test',
      'кириллица',
      'ä'.repeat(150),
      '漢'.repeat(40),
      '---',
      '<b>bold</b> text',
      'e\u0301clair',
      'a\u00a0b\u2009c',
    ];
    const theirs = JSON.parse(
      await site.php(
        `echo json_encode(array_map('sanitize_title', json_decode('${JSON.stringify(titles).replaceAll(/[\\']/g, '\\$&')}')));`,
      ),
    );
    expect(titles.map((title) => [title, slugOf(title)])).toEqual(titles.map((title, at) => [title, theirs[at]]));
  });
});
