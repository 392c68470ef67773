import type { JsonValue } from '../../core/json.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';
import { textLiteral } from '../mysql/sql-literal.ts';
import type { PostScene } from './post-lookup.ts';
import type { TermField } from './post-plan.ts';
import { numberedSlug, slugOf } from './slug.ts';
import { storedTerm } from './term-name.ts';

const numbersMax = 10_000;

/** The terms of a post in one taxonomy become these; those that do not exist are made. Tells whose counts have to be counted anew. */
export async function writeTerms(
  scene: PostScene,
  id: string,
  { field, taxonomy }: TermField,
  value: JsonValue,
): Promise<string[]> {
  const wanted = new Set<string>();
  for (const name of namesFrom(value, field)) wanted.add(await termNamed(scene, taxonomy, name));
  return relate(scene, id, taxonomy, wanted);
}

/** Every published post of a blog stands in a category. */
export async function writeDefaultCategory(scene: PostScene, id: string): Promise<string[]> {
  const { session, tables, site } = scene;
  const present = await termsOf(scene, id, 'category');
  if (present.length > 0) return [];
  const [category] = await session.rows(
    `SELECT term_taxonomy_id FROM ${tables.taxonomy} WHERE taxonomy = 'category' AND term_id = ${site.defaultCategory}`,
  );
  return category === undefined ? [] : relate(scene, id, 'category', new Set([category[0]!.toString('latin1')]));
}

export async function termsOf({ session, tables }: PostScene, id: string, taxonomy?: string): Promise<string[]> {
  const rows = await session.rows(
    `SELECT tr.term_taxonomy_id FROM ${tables.relationships} AS tr JOIN ${tables.taxonomy} AS tt ON tt.term_taxonomy_id = tr.term_taxonomy_id
     WHERE tr.object_id = ${id}${taxonomy === undefined ? '' : ` AND tt.taxonomy = ${textLiteral(taxonomy)}`}`,
  );
  return rows.map(([term]) => term!.toString('latin1'));
}

/** Published posts alone count. */
export async function countTerms({ session, tables }: PostScene, terms: ReadonlySet<string>): Promise<void> {
  if (terms.size === 0) return;
  const published = `SELECT COUNT(*) FROM ${tables.relationships} AS tr JOIN ${tables.posts} AS p ON p.ID = tr.object_id
    WHERE tr.term_taxonomy_id = tt.term_taxonomy_id AND p.post_status = 'publish'`;
  await session.run([
    `UPDATE ${tables.taxonomy} AS tt SET tt.count = (${published}) WHERE tt.term_taxonomy_id IN (${[...terms].join(', ')})`,
  ]);
}

async function relate(scene: PostScene, id: string, taxonomy: string, wanted: ReadonlySet<string>): Promise<string[]> {
  const { session, tables } = scene;
  const present = new Set(await termsOf(scene, id, taxonomy));
  const gone = [...present].filter((term) => !wanted.has(term));
  const added = [...wanted].filter((term) => !present.has(term));
  if (gone.length > 0)
    await session.run([
      `DELETE FROM ${tables.relationships} WHERE object_id = ${id} AND term_taxonomy_id IN (${gone.join(', ')})`,
    ]);
  if (added.length > 0) {
    const rows = added.map((term) => `(${id}, ${term}, 0)`).join(', ');
    await session.run([`INSERT INTO ${tables.relationships} (object_id, term_taxonomy_id, term_order) VALUES ${rows}`]);
  }
  return [...gone, ...added];
}

/** The exact name before one that only sounds the same. */
async function termNamed(scene: PostScene, taxonomy: string, name: string): Promise<string> {
  const { session, tables } = scene;
  const [stored, inTaxonomy] = [textLiteral(storedTerm(name)), textLiteral(taxonomy)];
  const [found] = await session.rows(
    `SELECT tt.term_taxonomy_id FROM ${tables.terms} AS t JOIN ${tables.taxonomy} AS tt ON tt.term_id = t.term_id
     WHERE tt.taxonomy = ${inTaxonomy} AND t.name = ${stored}
     ORDER BY CAST(t.name AS BINARY) = CAST(${stored} AS BINARY) DESC, t.term_id LIMIT 1`,
  );
  if (found !== undefined) return found[0]!.toString('latin1');
  const slug = await freeTermSlug(scene, taxonomy, slugOf(name));
  await session.run([
    `INSERT INTO ${tables.terms} (name, slug, term_group) VALUES (${stored}, ${textLiteral(slug)}, 0)`,
    `INSERT INTO ${tables.taxonomy} (term_id, taxonomy, description, parent, count) VALUES (LAST_INSERT_ID(), ${inTaxonomy}, '', 0, 0)`,
  ]);
  const [made] = await session.rows('SELECT LAST_INSERT_ID()');
  return made![0]!.toString('latin1');
}

async function freeTermSlug({ session, tables }: PostScene, taxonomy: string, wished: string): Promise<string> {
  const base = wished === '' ? 'term' : wished;
  for (let number = 1; number <= numbersMax; number++) {
    const slug = number === 1 ? base : numberedSlug(base, number);
    const [taken] = await session.rows(
      `SELECT 1 FROM ${tables.terms} AS t JOIN ${tables.taxonomy} AS tt ON tt.term_id = t.term_id
       WHERE tt.taxonomy = ${textLiteral(taxonomy)} AND t.slug = ${textLiteral(slug)} LIMIT 1`,
    );
    if (taken === undefined) return slug;
  }
  throw new TargetRejected(`no slug is free for a term like ${wished}`);
}

function namesFrom(value: JsonValue, field: string): string[] {
  const names = value === null ? [] : Array.isArray(value) ? value : [value];
  return names.map((name) => {
    if (typeof name === 'string' && name.trim() !== '' && name.length <= 200) return name.trim();
    throw new TargetRejected(`the field ${field} is a list of names of terms, each of at most 200 characters`, { field });
  });
}
