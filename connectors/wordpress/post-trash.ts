import { textLiteral } from '../mysql/sql-literal.ts';
import { writeMeta } from './meta-writer.ts';
import type { PostScene, StoredPost } from './post-lookup.ts';
import { countTerms, termsOf } from './term-writer.ts';

const trashMetas = ['_wp_trash_meta_status', '_wp_trash_meta_time', '_wp_desired_post_slug'];
const slugBytesMax = 200;
const trashedSuffix = '__trashed';

/** Into the trash, from which the editor can bring it back as it was. */
export async function trashPost(scene: PostScene, { id, row }: StoredPost, nowUtc: string): Promise<void> {
  const { session, tables, site } = scene;
  await writeMeta(scene, id, '_wp_trash_meta_status', String(row.post_status));
  await writeMeta(scene, id, '_wp_trash_meta_time', String(Date.parse(`${nowUtc.replace(' ', 'T')}Z`) / 1_000));
  const slug = String(row.post_name);
  const sets = [
    `post_status = 'trash'`,
    `post_modified = ${textLiteral(site.toLocal(nowUtc))}`,
    `post_modified_gmt = ${textLiteral(nowUtc)}`,
  ];
  // Its address is free for others.
  if (slug !== '' && !slug.endsWith(trashedSuffix)) {
    await writeMeta(scene, id, '_wp_desired_post_slug', slug);
    sets.push(`post_name = ${textLiteral(slug.slice(0, slugBytesMax - trashedSuffix.length) + trashedSuffix)}`);
  }
  await session.run([`UPDATE ${tables.posts} SET ${sets.join(', ')} WHERE ID = ${id}`]);
  await countTerms(scene, new Set(await termsOf(scene, id)));
}

export async function forgetTrash(scene: PostScene, id: string): Promise<void> {
  for (const key of trashMetas) await writeMeta(scene, id, key, null);
}

/** For good, with everything that belongs to it; what stood below it moves up, as `wp_delete_post` has it. */
export async function erasePost(scene: PostScene, { id, row }: StoredPost): Promise<void> {
  const { session, tables } = scene;
  const terms = new Set(await termsOf(scene, id));
  const revisions = `SELECT r.ID FROM ${tables.posts} AS r WHERE r.post_parent = ${id} AND r.post_type = 'revision'`;
  const parent = /^\d+$/.test(String(row.post_parent)) ? String(row.post_parent) : '0';
  await session.run([
    `DELETE m FROM ${tables.postmeta} AS m WHERE m.post_id IN (${revisions})`,
    `DELETE FROM ${tables.posts} WHERE post_parent = ${id} AND post_type = 'revision'`,
    `UPDATE ${tables.posts} SET post_parent = ${parent} WHERE post_parent = ${id} AND post_type = ${textLiteral(scene.plan.postType)}`,
    `UPDATE ${tables.posts} SET post_parent = ${parent} WHERE post_parent = ${id} AND post_type = 'attachment'`,
    `DELETE m FROM ${tables.commentmeta} AS m JOIN ${tables.comments} AS c ON c.comment_ID = m.comment_id WHERE c.comment_post_ID = ${id}`,
    `DELETE FROM ${tables.comments} WHERE comment_post_ID = ${id}`,
    `DELETE FROM ${tables.relationships} WHERE object_id = ${id}`,
    `DELETE FROM ${tables.postmeta} WHERE post_id = ${id}`,
    `DELETE FROM ${tables.posts} WHERE ID = ${id}`,
  ]);
  await countTerms(scene, terms);
}
