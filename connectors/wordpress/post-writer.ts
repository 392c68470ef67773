import { fieldOf, type JsonValue } from '../../core/json.ts';
import { TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import { quoted, textLiteral } from '../mysql/sql-literal.ts';
import { metaTextOf } from './meta-value.ts';
import { attachmentAt, writeMeta } from './meta-writer.ts';
import { type ColumnWrites, checkFields, dateColumns, isNews, plainColumns, statusOf } from './post-columns.ts';
import type { PostScene, StoredPost } from './post-lookup.ts';
import { thumbnailKey } from './post-record.ts';
import { freeSlug, unaddressed } from './post-slug.ts';
import { forgetTrash } from './post-trash.ts';
import { slugOf } from './slug.ts';
import { countTerms, termsOf, writeDefaultCategory, writeTerms } from './term-writer.ts';

export interface NewPostRules {
  readonly status: string;
  readonly author: number;
}

/** Writes posts the way WordPress does, in a transaction of the caller's. */
export class PostWriter {
  readonly #scene: PostScene;
  readonly #rules: NewPostRules;
  readonly #nowUtc: string;

  constructor(scene: PostScene, rules: NewPostRules, nowUtc: string) {
    this.#scene = scene;
    this.#rules = rules;
    this.#nowUtc = nowUtc;
  }

  /** Changes what is news, and nothing where nothing is. */
  async save(key: string, said: TargetRow, before: StoredPost | null): Promise<void> {
    const row = this.#withKey(key, said);
    checkFields(this.#scene, row);
    const status = statusOf(row, before, this.#rules.status);
    const id = before?.id ?? (await this.#insert(key, row, status));
    const present = before ?? null;
    const writes = present === null ? new Map() : await this.#changes(row, present, status);
    const touched = [await this.#writeMetas(id, row, present), await this.#writePicture(id, row, present)];
    const terms = await this.#writeTerms(id, row, present, status);
    const isChanged = present !== null && (writes.size > 0 || terms.size > 0 || touched.includes(true));
    if (isChanged) await this.#update(id, new Map([...writes, ...this.#modified()]));
    // Whether a post counts for its terms depends on its state.
    const all = present === null || writes.has('post_status') ? await termsOf(this.#scene, id) : [];
    await countTerms(this.#scene, new Set([...terms, ...all]));
  }

  /** The key belongs to the record whether the mapping writes it or not. */
  #withKey(key: string, row: TargetRow): TargetRow {
    const { key: by, keyField } = this.#scene.plan;
    return by.kind === 'id' || fieldOf(row, keyField) !== undefined ? row : { ...row, [keyField]: key };
  }

  async #insert(key: string, row: TargetRow, status: string): Promise<string> {
    const { session, tables, site, plan } = this.#scene;
    const isPost = plan.postType === 'post';
    const writes: ColumnWrites = new Map([
      ...['post_content', 'post_title', 'post_excerpt', 'to_ping', 'pinged', 'post_content_filtered'].map(
        (name) => [name, `''`] as const,
      ),
      ['post_author', String(this.#rules.author)],
      ['comment_status', textLiteral(isPost ? site.commentStatus : 'closed')],
      ['ping_status', textLiteral(isPost ? site.pingStatus : 'closed')],
      ...plainColumns(this.#scene, row, null),
      ...dateColumns(this.#scene, row, null, status, this.#nowUtc),
      ...this.#modified(),
      ['post_status', textLiteral(status)],
      ['post_type', textLiteral(plan.postType)],
    ]);
    if (plan.key.kind === 'id') writes.set('ID', key);
    const names = [...writes.keys()].map(quoted).join(', ');
    await session.run([`INSERT INTO ${tables.posts} (${names}) VALUES (${[...writes.values()].join(', ')})`]);
    const [made] = await session.rows('SELECT LAST_INSERT_ID()');
    const id = plan.key.kind === 'id' ? key : made![0]!.toString('latin1');
    // Both need the id.
    const slug = await this.#slug(id, row, null, status);
    const guid = writes.get('guid') ?? textLiteral(guidOf(site.home, plan.postType, id));
    await this.#update(
      id,
      new Map([
        ['post_name', textLiteral(slug)],
        ['guid', guid],
      ]),
    );
    return id;
  }

  async #changes(row: TargetRow, before: StoredPost, status: string): Promise<ColumnWrites> {
    const writes = new Map([
      ...plainColumns(this.#scene, row, before),
      ...dateColumns(this.#scene, row, before, status, this.#nowUtc),
    ]);
    if (status !== before.row.post_status) writes.set('post_status', textLiteral(status));
    if (before.isTrashed) await forgetTrash(this.#scene, before.id);
    const present = String(before.row.post_name);
    const slug = await this.#slug(before.id, row, before, status);
    if (slug !== present) {
      writes.set('post_name', textLiteral(slug));
      // By it WordPress leads visitors of the former address to the new one.
      if (before.row.post_status === 'publish' && present !== '')
        await writeMeta(this.#scene, before.id, '_wp_old_slug', present);
    }
    return writes;
  }

  async #slug(id: string, row: TargetRow, before: StoredPost | null, status: string): Promise<string> {
    const said = isNews(row, before, 'post_name') ? fieldOf(row, 'post_name') : undefined;
    const present = before === null ? '' : String(before.row.post_name).replace(/__trashed(-\d+)?$/, '');
    if (typeof said !== 'string' || said === '') {
      if (present !== '' && before?.isTrashed === false) return present;
      if (unaddressed.has(status)) return present;
    }
    const title = fieldOf(row, 'post_title') ?? before?.row.post_title ?? '';
    const wished = slugOf(typeof said === 'string' ? said : '') || present || slugOf(String(title)) || id;
    const parent = String(fieldOf(row, 'post_parent') ?? before?.row.post_parent ?? 0);
    return freeSlug(this.#scene, wished, id, status, /^\d+$/.test(parent) ? parent : '0');
  }

  async #writeMetas(id: string, row: TargetRow, before: StoredPost | null): Promise<boolean> {
    let written = false;
    for (const { field, key, as } of this.#scene.plan.meta) {
      if (!isNews(row, before, field)) continue;
      const text = metaTextOf(as, fieldOf(row, field)!, field);
      if (text === null && before === null) continue;
      await writeMeta(this.#scene, id, key, text);
      written = true;
    }
    return written;
  }

  async #writePicture(id: string, row: TargetRow, before: StoredPost | null): Promise<boolean> {
    const field = this.#scene.plan.featuredImage;
    if (field === undefined || !isNews(row, before, field)) return false;
    const said = fieldOf(row, field)!;
    if (said === null && before === null) return false;
    await writeMeta(this.#scene, id, thumbnailKey, said === null ? null : await this.#pictureId(said, field));
    return true;
  }

  #pictureId(said: JsonValue, field: string): Promise<string> {
    if (typeof said === 'string') return attachmentAt(this.#scene, said, field);
    throw new TargetRejected(`the field ${field} is the address of a picture`, { field });
  }

  async #writeTerms(id: string, row: TargetRow, before: StoredPost | null, status: string): Promise<Set<string>> {
    const moved = new Set<string>();
    for (const term of this.#scene.plan.terms) {
      if (!isNews(row, before, term.field)) continue;
      for (const touched of await writeTerms(this.#scene, id, term, fieldOf(row, term.field)!)) moved.add(touched);
    }
    if (this.#scene.plan.postType === 'post' && !unaddressed.has(status))
      for (const touched of await writeDefaultCategory(this.#scene, id)) moved.add(touched);
    return moved;
  }

  async #update(id: string, writes: ColumnWrites): Promise<void> {
    const { session, tables } = this.#scene;
    const sets = [...writes].map(([name, literal]) => `${quoted(name)} = ${literal}`);
    await session.run([`UPDATE ${tables.posts} SET ${sets.join(', ')} WHERE ID = ${id}`]);
  }

  #modified(): ColumnWrites {
    return new Map([
      ['post_modified', textLiteral(this.#scene.site.toLocal(this.#nowUtc))],
      ['post_modified_gmt', textLiteral(this.#nowUtc)],
    ]);
  }
}

/** The address that stays when the slug changes. */
function guidOf(home: string, postType: string, id: string): string {
  if (postType === 'post') return `${home}/?p=${id}`;
  return postType === 'page' ? `${home}/?page_id=${id}` : `${home}/?post_type=${postType}&#038;p=${id}`;
}
