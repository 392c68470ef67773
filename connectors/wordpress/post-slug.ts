import { TargetRejected } from '../../core/ports/target-connector.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import type { PostScene } from './post-lookup.ts';
import { numberedSlug } from './slug.ts';

const numbersMax = 10_000;
/** Addresses that WordPress keeps for itself. */
const reserved: ReadonlySet<string> = new Set(['feed', 'rdf', 'rss', 'rss2', 'atom', 'embed']);
/** Pages may share a slug with a page elsewhere in the tree; those of any other type WordPress comes with may not. */
const hierarchical: ReadonlySet<string> = new Set(['page']);

export const unaddressed: ReadonlySet<string> = new Set(['draft', 'pending', 'auto-draft']);

/** As `wp_unique_post_slug` has it: the first that is free, with a number behind it from 2 on. */
export async function freeSlug(
  { session, tables, plan }: PostScene,
  wished: string,
  id: string,
  status: string,
  parent: string,
): Promise<string> {
  if (unaddressed.has(status)) return wished;
  const isTree = hierarchical.has(plan.postType);
  const type = textLiteral(plan.postType);
  const scope = isTree ? `post_type IN (${type}, 'attachment') AND post_parent = ${parent}` : `post_type = ${type}`;
  for (let number = 1; number <= numbersMax; number++) {
    const slug = number === 1 ? wished : numberedSlug(wished, number);
    if (number === 1 && (reserved.has(slug) || (isTree && /^(page)?\d+$/.test(slug)))) continue;
    const [taken] = await session.rows(
      `SELECT 1 FROM ${tables.posts} WHERE post_name = ${textLiteral(slug)} AND ${scope} AND ID <> ${id} LIMIT 1`,
    );
    if (taken === undefined) return slug;
  }
  throw new TargetRejected(`no slug is free for a post like ${wished}`);
}
