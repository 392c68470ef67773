import { type JsonValue, stringifyExact } from '../../core/json.ts';
import type { Relation } from '../mysql/catalogue.ts';
import { jsonOf } from '../mysql/cell-text.ts';
import type { Column, ColumnType } from '../mysql/column-type.ts';
import type { Cell, MysqlSession } from '../mysql/mysql-session.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import { metaValueOf } from './meta-value.ts';
import type { PostPlan } from './post-plan.ts';
import type { SiteFacts, SiteTables } from './site.ts';
import { shownTerm } from './term-name.ts';

export const thumbnailKey = '_thumbnail_id';

/** What belongs to some posts beside their rows in `wp_posts`, read in one transaction with them. */
export interface PostDetails {
  /** Post -> meta key -> the first value under it. */
  readonly meta: ReadonlyMap<string, ReadonlyMap<string, string | null>>;
  /** Post -> taxonomy -> names. */
  readonly terms: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  /** Attachment -> its address. */
  readonly images: ReadonlyMap<string, string>;
}

export async function readDetails(
  session: MysqlSession,
  tables: SiteTables,
  site: SiteFacts,
  plan: PostPlan,
  ids: readonly string[],
): Promise<PostDetails> {
  const metaKeys = [...plan.meta.map(({ key }) => key), ...(plan.featuredImage === undefined ? [] : [thumbnailKey])];
  const meta = new Map<string, Map<string, string | null>>();
  if (ids.length > 0 && metaKeys.length > 0) {
    const statement = `SELECT post_id, meta_key, meta_value FROM ${tables.postmeta}
      WHERE post_id IN (${ids.join(', ')}) AND meta_key IN (${metaKeys.map(textLiteral).join(', ')}) ORDER BY meta_id`;
    for (const [id, key, value] of await session.rows(statement)) {
      const of = meta.get(String(id)) ?? new Map<string, string | null>();
      if (!of.has(String(key))) of.set(String(key), value === null ? null : value!.toString('utf8'));
      meta.set(String(id), of);
    }
  }
  const terms = new Map<string, Map<string, string[]>>();
  if (ids.length > 0 && plan.terms.length > 0) {
    const statement = `SELECT tr.object_id, tt.taxonomy, t.name FROM ${tables.relationships} AS tr
      JOIN ${tables.taxonomy} AS tt ON tt.term_taxonomy_id = tr.term_taxonomy_id JOIN ${tables.terms} AS t ON t.term_id = tt.term_id
      WHERE tr.object_id IN (${ids.join(', ')}) AND tt.taxonomy IN (${plan.terms.map(({ taxonomy }) => textLiteral(taxonomy)).join(', ')})`;
    for (const [id, taxonomy, name] of await session.rows(statement)) {
      const of = terms.get(String(id)) ?? new Map<string, string[]>();
      of.set(String(taxonomy), [...(of.get(String(taxonomy)) ?? []), shownTerm(name!.toString('utf8'))]);
      terms.set(String(id), of);
    }
  }
  const attached = [...meta.values()].map((of) => of.get(thumbnailKey)).filter((id) => typeof id === 'string');
  return { meta, terms, images: await readImages(session, tables, site, attached) };
}

async function readImages(
  session: MysqlSession,
  tables: SiteTables,
  site: SiteFacts,
  attached: readonly string[],
): Promise<Map<string, string>> {
  const ids = attached.filter((id) => /^\d{1,19}$/.test(id));
  if (ids.length === 0) return new Map();
  const rows = await session.rows(
    `SELECT a.ID, a.guid, m.meta_value FROM ${tables.posts} AS a
     LEFT JOIN ${tables.postmeta} AS m ON m.post_id = a.ID AND m.meta_key = '_wp_attached_file' WHERE a.ID IN (${ids.join(', ')})`,
  );
  return new Map(
    rows.map(([id, guid, file]) => [
      String(id),
      file == null ? guid!.toString('utf8') : `${site.uploads}/${file.toString('utf8')}`,
    ]),
  );
}

/** The columns of `wp_posts` as they are told: those in UTC say so. */
export function postColumns({ columns }: Relation): Column[] {
  return [...columns.values()].map((column) => (column.name.endsWith('_gmt') ? { ...column, type: moment } : column));
}

const moment: ColumnType = { kind: 'timestamp' };

/** JSON of a post: its row, and behind it the fields that are kept elsewhere, in the order of the plan. */
export function postText(
  plan: PostPlan,
  columns: readonly Column[],
  cells: readonly Cell[],
  id: string,
  details: PostDetails,
): string {
  const texts = columns.map(({ name, type }, at) => `${JSON.stringify(name)}:${jsonOf(type, withoutZeroTime(type, cells[at]!))}`);
  const also = (field: string, value: JsonValue) => texts.push(`${JSON.stringify(field)}:${stringifyExact(value)}`);
  const meta = details.meta.get(id);
  for (const { field, key, as } of plan.meta) also(field, metaValueOf(as, meta?.get(key) ?? null));
  for (const { field, taxonomy } of plan.terms) also(field, [...(details.terms.get(id)?.get(taxonomy) ?? [])].sort());
  if (plan.featuredImage !== undefined) also(plan.featuredImage, details.images.get(meta?.get(thumbnailKey) ?? '') ?? null);
  return `{${texts.join(',')}}`;
}

/** WordPress writes a zero date where a draft has none yet. */
function withoutZeroTime(type: ColumnType, cell: Cell): Cell {
  const isTime = type.kind === 'datetime' || type.kind === 'timestamp';
  return isTime && cell?.toString('latin1').startsWith('0000-00-00') ? null : cell;
}
