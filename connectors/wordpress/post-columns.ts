import { canonicalText } from '../../core/canonical/canonical.ts';
import { canonicalInstant } from '../../core/canonical/instant.ts';
import { fieldOf, type JsonValue } from '../../core/json.ts';
import { TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import { valueLiteral } from '../mysql/value-literal.ts';
import type { PostScene, StoredPost } from './post-lookup.ts';
import { unaddressed } from './post-slug.ts';

/** Made by WordPress, or settled by what they belong to: never taken from a record. */
const ownColumns: ReadonlySet<string> = new Set([
  ...['ID', 'post_type', 'post_modified', 'post_modified_gmt', 'comment_count'],
  ...['post_status', 'post_name', 'post_date', 'post_date_gmt'],
]);
const zeroTime = '0000-00-00 00:00:00';

/** What is to be written into `wp_posts`: column -> literal. */
export type ColumnWrites = Map<string, string>;

/** The fields of a record that are neither columns nor configured are a mistake in the mapping. */
export function checkFields({ plan, relation }: PostScene, row: TargetRow): void {
  const known = new Set([
    ...relation.columns.keys(),
    ...plan.meta.map(({ field }) => field),
    ...plan.terms.map(({ field }) => field),
    ...(plan.featuredImage === undefined ? [] : [plan.featuredImage]),
  ]);
  for (const field of Object.keys(row)) {
    if (known.has(field)) continue;
    throw new TargetRejected(
      `the mapping rule \`fields.${field}\` names neither a column of ${relation.name} nor a field under \`meta\` or \`terms\``,
      { column: field },
    );
  }
}

/** Whether a record says of a field something else than what stands there. */
export function isNews(row: TargetRow, before: StoredPost | null, field: string): boolean {
  const said = fieldOf(row, field);
  if (said === undefined) return false;
  const present = before === null ? undefined : fieldOf(before.row, field);
  return present === undefined || canonicalText({ is: said }) !== canonicalText({ is: present });
}

/** Columns that mean to WordPress what they say. */
export function plainColumns({ relation }: PostScene, row: TargetRow, before: StoredPost | null): ColumnWrites {
  const writes: ColumnWrites = new Map();
  for (const column of relation.columns.values()) {
    if (ownColumns.has(column.name) || column.generated || !isNews(row, before, column.name)) continue;
    const value = fieldOf(row, column.name)!;
    if (value === null && column.notNull) continue;
    // A post that is known elsewhere by its guid would be another one.
    if (column.name === 'guid' && before !== null) continue;
    writes.set(column.name, valueLiteral(column, value));
  }
  return writes;
}

export function statusOf(row: TargetRow, before: StoredPost | null, preset: string): string {
  const said = fieldOf(row, 'post_status');
  if (typeof said === 'string' && /^[a-z0-9_-]{1,20}$/.test(said)) {
    if (!hidden.has(said)) return said;
    throw new TargetRejected(`a post in the state ${said} would be no record: delete it instead`, { column: 'post_status' });
  }
  if (said !== undefined && said !== null)
    throw new TargetRejected('`post_status` is a word such as publish or draft', { column: 'post_status' });
  return before === null || before.isTrashed ? preset : String(before.row.post_status);
}

const hidden: ReadonlySet<string> = new Set(['trash', 'auto-draft', 'inherit']);

/** The date on the site's clock and in UTC. A draft has none in UTC until it is published. */
export function dateColumns(
  { site }: PostScene,
  row: TargetRow,
  before: StoredPost | null,
  status: string,
  nowUtc: string,
): ColumnWrites {
  const utc = utcSaid(row, before) ?? localSaid(row, before, (local) => site.toUtc(local));
  if (utc !== undefined) return pair(site.toLocal(utc), utc);
  if (before === null) return pair(site.toLocal(nowUtc), unaddressed.has(status) ? zeroTime : nowUtc);
  const isPublishedNow = !unaddressed.has(status) && before.row.post_date_gmt === null;
  return isPublishedNow ? pair(site.toLocal(nowUtc), nowUtc) : new Map();
}

function utcSaid(row: TargetRow, before: StoredPost | null): string | undefined {
  if (!isNews(row, before, 'post_date_gmt')) return undefined;
  const said = fieldOf(row, 'post_date_gmt')!;
  return said === null ? undefined : secondsText(said, 'post_date_gmt');
}

function localSaid(row: TargetRow, before: StoredPost | null, toUtc: (local: string) => string): string | undefined {
  if (!isNews(row, before, 'post_date')) return undefined;
  const said = fieldOf(row, 'post_date')!;
  return said === null ? undefined : toUtc(secondsText(said, 'post_date'));
}

function secondsText(value: JsonValue, column: string): string {
  const text = typeof value === 'string' ? value.replace(' ', 'T') : '';
  const instant = canonicalInstant(text) ?? canonicalInstant(`${text}Z`);
  if (instant === undefined) throw new TargetRejected(`\`${column}\` is a time: 2026-03-01T12:00:00Z`, { column });
  return instant.slice(0, 19).replace('T', ' ');
}

function pair(local: string, utc: string): ColumnWrites {
  return new Map([
    ['post_date', textLiteral(local)],
    ['post_date_gmt', textLiteral(utc)],
  ]);
}
