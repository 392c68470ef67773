import { TargetRejected } from '../../core/ports/target-connector.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import type { PostScene } from './post-lookup.ts';
import { metaKeyIs } from './post-query.ts';

/** As `update_post_meta` does it: the first value under a key is changed, or one is added; null takes all of them away. */
export async function writeMeta({ session, tables }: PostScene, id: string, key: string, text: string | null): Promise<void> {
  const whose = `m.post_id = ${id} AND ${metaKeyIs('m', key)}`;
  if (text === null) {
    await session.run([`DELETE m FROM ${tables.postmeta} AS m WHERE ${whose}`]);
    return;
  }
  const [first] = await session.rows(`SELECT m.meta_id FROM ${tables.postmeta} AS m WHERE ${whose} ORDER BY m.meta_id LIMIT 1`);
  const value = textLiteral(text);
  await session.run([
    first === undefined
      ? `INSERT INTO ${tables.postmeta} (post_id, meta_key, meta_value) VALUES (${id}, ${textLiteral(key)}, ${value})`
      : `UPDATE ${tables.postmeta} SET meta_value = ${value} WHERE meta_id = ${first[0]!.toString('latin1')}`,
  ]);
}

/** The attachment behind an address of the media library. */
export async function attachmentAt({ session, tables, site }: PostScene, address: string, field: string): Promise<string> {
  const file = address.startsWith(`${site.uploads}/`) ? address.slice(site.uploads.length + 1) : '';
  const [found] = await session.rows(
    `SELECT a.ID FROM ${tables.posts} AS a LEFT JOIN ${tables.postmeta} AS m ON m.post_id = a.ID AND m.meta_key = '_wp_attached_file'
     WHERE a.post_type = 'attachment' AND (m.meta_value = ${textLiteral(file)} AND m.meta_value <> '' OR a.guid = ${textLiteral(address)})
     ORDER BY a.ID LIMIT 1`,
  );
  if (found !== undefined) return found[0]!.toString('latin1');
  throw new TargetRejected(
    `${address} is not in the media library of the site: a picture has to be there before it is featured`,
    {
      field,
    },
  );
}
