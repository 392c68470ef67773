import { parseExact } from '../../core/json.ts';
import { TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import type { Relation } from '../mysql/catalogue.ts';
import type { Column } from '../mysql/column-type.ts';
import type { MysqlSession } from '../mysql/mysql-session.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import { selected } from '../mysql/table-statements.ts';
import type { PostPlan } from './post-plan.ts';
import { keyLiteral, keyQuery, ofPlan, post } from './post-query.ts';
import { postColumns, postText, readDetails } from './post-record.ts';
import type { SiteFacts, SiteTables } from './site.ts';

/** A post as it stands. */
export interface StoredPost {
  readonly id: string;
  readonly key: string;
  readonly isTrashed: boolean;
  /** As the source half tells it. */
  readonly row: TargetRow;
}

/** Where the posts of one transaction are read and written. */
export interface PostScene {
  readonly session: MysqlSession;
  readonly tables: SiteTables;
  readonly site: SiteFacts;
  readonly plan: PostPlan;
  readonly relation: Relation;
}

/** What stands under these keys: the post that is a record, or else the one in the trash. */
export async function postsUnder(
  scene: PostScene,
  keys: readonly string[],
  lock: 'lock' | 'look',
): Promise<Map<string, StoredPost>> {
  const { tables, plan } = scene;
  const literals = keys.map((key) => keyLiteral(plan, key)).filter((literal) => literal !== undefined);
  if (literals.length === 0) return new Map();
  const { expression } = keyQuery(plan, tables);
  const trashed = `${post}.post_type = ${textLiteral(plan.postType)} AND ${isInTrash}`;
  const which = `(${ofPlan(plan)} OR ${trashed}) AND ${expression} IN (${literals.join(', ')})`;
  const found = new Map<string, StoredPost>();
  for (const stored of await readPosts(scene, which, lock === 'lock' ? 'FOR UPDATE' : '')) {
    const { key } = stored;
    const before = found.get(key);
    if (before !== undefined && !before.isTrashed && !stored.isTrashed)
      throw new TargetRejected(`the posts ${before.id} and ${stored.id} have the same ${plan.keyField}: ${key}`, { key });
    if (before === undefined || before.isTrashed) found.set(key, stored);
  }
  return found;
}

/** The records behind a key, in the order of the keys' bytes, ids in that of their numbers. */
export async function postsBehind(scene: PostScene, after: string | null, limit: number): Promise<readonly StoredPost[]> {
  const { tables, plan } = scene;
  const { expression } = keyQuery(plan, tables);
  const behind = after === null ? '' : ` AND ${expression} > ${keyLiteral(plan, after) ?? '0'}`;
  return readPosts(scene, ofPlan(plan) + behind, `LIMIT ${limit}`);
}

const isInTrash = `${post}.post_status = 'trash'`;

async function readPosts(scene: PostScene, which: string, how: string): Promise<StoredPost[]> {
  const { session, tables, plan } = scene;
  const { join, expression, condition } = keyQuery(plan, tables);
  const columns = postColumns(scene.relation);
  const rows = await session.rows(
    `SELECT ${expression}, ${isInTrash}, ${columns.map(selectedOfPost).join(', ')} FROM ${tables.posts} AS ${post} ${join}
     WHERE ${which} ${condition === '' ? '' : `AND ${condition}`} ORDER BY ${expression}, ${post}.ID ${how}`,
  );
  const idAt = columns.findIndex(({ name }) => name === 'ID') + 2;
  const ids = rows.map((cells) => cells[idAt]!.toString('latin1'));
  const details = await readDetails(session, tables, scene.site, plan, ids);
  return rows.map(([key, isTrashed, ...cells], at) => ({
    id: ids[at]!,
    key: key!.toString('utf8'),
    isTrashed: isTrashed!.toString('latin1') === '1',
    row: parseExact(postText(plan, columns, cells, ids[at]!, details)) as TargetRow,
  }));
}

export function selectedOfPost(column: Column): string {
  return selected(column).replace(/^t\./, `${post}.`);
}
