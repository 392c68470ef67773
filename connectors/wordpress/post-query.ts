import { bytesLiteral, textLiteral } from '../mysql/sql-literal.ts';
import type { PostPlan } from './post-plan.ts';
import type { SiteTables } from './site.ts';

/** The post's name in every statement. */
export const post = 'p';

/** Kept by the editor for itself, or thrown away. */
const hiddenStatuses = ['trash', 'auto-draft', 'inherit'];

const keyCharactersMax = 255;

export interface KeyQuery {
  /** Joins what holds the key. */
  readonly join: string;
  /** Sorted and compared by. */
  readonly expression: string;
  /** What must hold of a post that has a key. */
  readonly condition: string;
}

/** Keys are compared byte by byte, so that they are the same here as everywhere else. */
export function keyQuery({ key }: PostPlan, { postmeta }: SiteTables): KeyQuery {
  switch (key.kind) {
    case 'id':
      return { join: '', expression: `${post}.ID`, condition: '' };
    case 'slug':
      return { join: '', expression: `CAST(${post}.post_name AS BINARY)`, condition: `${post}.post_name <> ''` };
    case 'meta': {
      const named = (alias: string) => `${alias}.post_id = ${post}.ID AND ${metaKeyIs(alias, key.meta.key)}`;
      // Of several with one name, which WordPress allows, the first counts, as it does there.
      const earlier = `SELECT 1 FROM ${postmeta} AS k2 WHERE ${named('k2')} AND k2.meta_id < k.meta_id`;
      return {
        join: `JOIN ${postmeta} AS k ON ${named('k')} AND NOT EXISTS (${earlier})`,
        // As a long text it would be sorted with a megabyte a row.
        expression: `CAST(LEFT(k.meta_value, ${keyCharactersMax}) AS BINARY)`,
        condition: `k.meta_value <> '' AND CHAR_LENGTH(k.meta_value) <= ${keyCharactersMax}`,
      };
    }
  }
}

/** The index finds it, the bytes decide: the names of metas differ by case. */
export function metaKeyIs(alias: string, key: string): string {
  return `${alias}.meta_key = ${textLiteral(key)} AND CAST(${alias}.meta_key AS BINARY) = ${bytesLiteral(Buffer.from(key))}`;
}

/** Undefined where no post can have this key. */
export function keyLiteral({ key }: PostPlan, text: string): string | undefined {
  if (key.kind === 'id') return /^[1-9]\d{0,18}$/.test(text) ? text : undefined;
  return text === '' ? undefined : bytesLiteral(Buffer.from(text, 'utf8'));
}

export function ofPlan({ postType, statuses }: PostPlan): string {
  const list = (texts: readonly string[]) => texts.map(textLiteral).join(', ');
  const status = statuses === null ? `NOT IN (${list(hiddenStatuses)})` : `IN (${list(statuses)})`;
  return `${post}.post_type = ${textLiteral(postType)} AND ${post}.post_status ${status}`;
}
