import { nearestName } from '../../core/config/suggestion.ts';
import { SyncError } from '../../core/errors.ts';
import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../../core/ports/table-reader.ts';
import { nameOfTable, type Relation, readRelation, textOf } from '../mysql/catalogue.ts';
import { boundTextOf } from '../mysql/cell-text.ts';
import { asSourceError, numberOf } from '../mysql/mysql-fault.ts';
import type { MysqlPool } from '../mysql/mysql-pool.ts';
import type { MysqlSession } from '../mysql/mysql-session.ts';
import { metaValueOf } from './meta-value.ts';
import { selectedOfPost } from './post-lookup.ts';
import type { PostPlan } from './post-plan.ts';
import { keyLiteral, keyQuery, ofPlan, post } from './post-query.ts';
import { postColumns, postText, readDetails } from './post-record.ts';
import { readSite, type SiteTables, siteTables } from './site.ts';

export const modifiedColumn = 'post_modified_gmt';

export interface PostsPlace {
  readonly pool: MysqlPool;
  readonly prefix: string;
  readonly siteUrl: string | undefined;
}

/** Posts of one type, with what belongs to them, as if they were a table; a page is one transaction and sees one moment. */
export class PostsReader implements TableReader {
  readonly #place: PostsPlace;
  readonly #plan: PostPlan;
  readonly #tables: SiteTables;
  #relation: Relation | undefined;
  /**
   * The latest change that a comparison has seen, or that was made before there was one. A post that is changed again within
   * that second, or whose meta is, is left to the next comparison: told in between and changed back, it would look as if
   * nothing had happened.
   */
  #comparedUpTo: string | undefined;

  constructor(place: PostsPlace, plan: PostPlan) {
    this.#place = place;
    this.#plan = plan;
    this.#tables = siteTables(place.pool.place.database, place.prefix);
  }

  describe(_selection: TableSelection): Promise<TableShape> {
    const { keyField, key, meta, terms, featuredImage, postType } = this.#plan;
    return this.#reading(async (session) => {
      const relation = await this.#findPosts(session);
      this.#relation = relation;
      await this.#checkKey(session);
      this.#comparedUpTo ??= (await this.#highest(session)) ?? '';
      const fields = [
        ...meta.map(({ field, key: name, as }) => ({ name: field, type: `meta ${name} ${as}` })),
        ...terms.map(({ field, taxonomy }) => ({ name: field, type: `terms ${taxonomy}` })),
        ...(featuredImage === undefined ? [] : [{ name: featuredImage, type: 'featured image' }]),
      ];
      const columns = [...relation.columns.values()].map(({ name, declared }) => ({ name, type: declared }));
      return {
        name: `${relation.name} (${postType})`,
        key: [keyField],
        columns: [...columns, ...fields],
        watermark: modifiedColumn,
        order: JSON.stringify(key),
      };
    });
  }

  rows(_shape: TableShape, { after, upTo }: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    const { expression } = keyQuery(this.#plan, this.#tables);
    const conditions = [
      ...(after === null ? [] : [`${expression} > ${this.#literal(after[0]!)}`]),
      ...(upTo === null ? [] : [`${expression} <= ${this.#literal(upTo[0]!)}`]),
    ];
    return columns === 'all' ? this.#compared(conditions, [expression], limit) : this.#keys(conditions, limit);
  }

  async rowsUnder(_shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    const { expression } = keyQuery(this.#plan, this.#tables);
    const literals = keys.flatMap(([key]) => keyLiteral(this.#plan, key!) ?? []);
    if (literals.length === 0) return [];
    return this.#posts([`${expression} IN (${literals.join(', ')})`], [expression], literals.length);
  }

  rowsSince(_shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]> {
    const { expression } = keyQuery(this.#plan, this.#tables);
    const modified = `${post}.${modifiedColumn}`;
    const conditions = [`${modified} > ${timeLiteral(this.#comparedUpTo ?? '')}`];
    if (from !== null) {
      const since = timeLiteral(from.watermark);
      conditions.push(`${modified} >= ${since}`);
      if (from.key !== null) conditions.push(`${modified} > ${since} OR ${expression} > ${this.#literal(from.key[0]!)}`);
    }
    return this.#posts(conditions, [modified, expression], limit);
  }

  highestWatermark(_shape: TableShape): Promise<string | null> {
    return this.#reading((session) => this.#highest(session));
  }

  watermarkBefore(_shape: TableShape, watermark: string, overlapMs: number): Promise<string> {
    const statement = `SELECT CAST(${timeLiteral(watermark)} AS DATETIME) - INTERVAL ${Math.ceil(overlapMs / 1_000)} SECOND`;
    return this.#reading(async (session) => textOf((await session.rows(statement))[0]![0]) ?? watermark);
  }

  async close(): Promise<void> {
    await this.#place.pool.close();
  }

  async #highest(session: MysqlSession): Promise<string | null> {
    const statement = `SELECT MAX(${post}.${modifiedColumn}) FROM ${this.#tables.posts} AS ${post} WHERE ${ofPlan(this.#plan)}`;
    return textOf((await session.rows(statement))[0]![0]);
  }

  async #compared(conditions: readonly string[], order: readonly string[], limit: number): Promise<readonly TableRow[]> {
    const rows = await this.#posts(conditions, order, limit);
    for (const { watermark } of rows) if (watermark! > (this.#comparedUpTo ?? '')) this.#comparedUpTo = watermark!;
    return rows;
  }

  async #keys(conditions: readonly string[], limit: number): Promise<readonly TableRow[]> {
    const { keyField, key } = this.#plan;
    const { expression } = keyQuery(this.#plan, this.#tables);
    const statement = this.#statement([expression], conditions, [expression], limit);
    const found = await this.#reading((session) => session.rows(statement));
    return found.map(([cell]) => {
      const bound = cell!.toString('utf8');
      const value = key.kind === 'id' ? Number(bound) : key.kind === 'slug' ? bound : metaValueOf(key.meta.as, bound);
      return { bound: [bound], text: JSON.stringify({ [keyField]: value }), watermark: null };
    });
  }

  #posts(conditions: readonly string[], order: readonly string[], limit: number): Promise<readonly TableRow[]> {
    const columns = postColumns(this.#relation!);
    const [idAt, modifiedAt] = ['ID', modifiedColumn].map((name) => columns.findIndex((column) => column.name === name));
    const { expression } = keyQuery(this.#plan, this.#tables);
    const read = columns.map(selectedOfPost);
    const statement = this.#statement([expression, ...read], conditions, order, limit);
    return this.#reading(async (session) => {
      const site = await readSite(session, this.#tables, this.#place.siteUrl);
      const found = await session.rows(statement);
      const ids = found.map((cells) => cells[idAt! + 1]!.toString('latin1'));
      const details = await readDetails(session, this.#tables, site, this.#plan, ids);
      return found.map(([bound, ...cells], at) => ({
        bound: [bound!.toString('utf8')],
        text: postText(this.#plan, columns, cells, ids[at]!, details),
        watermark: boundTextOf(columns[modifiedAt!]!.type, cells[modifiedAt!]!),
      }));
    });
  }

  #statement(columns: readonly string[], conditions: readonly string[], order: readonly string[], limit: number): string {
    const { join, condition } = keyQuery(this.#plan, this.#tables);
    const where = [ofPlan(this.#plan), condition, ...conditions].filter((text) => text !== '').map((text) => `(${text})`);
    return `SELECT ${columns.join(', ')} FROM ${this.#tables.posts} AS ${post} ${join} WHERE ${where.join(' AND ')}
            ORDER BY ${order.join(', ')} LIMIT ${limit}`;
  }

  async #findPosts(session: MysqlSession): Promise<Relation> {
    const { place } = this.#place.pool;
    const { posts, postmeta, terms, taxonomy, relationships, options } = this.#tables;
    for (const name of [posts, postmeta, terms, taxonomy, relationships, options]) await this.#checkRight(session, name);
    const relation = await readRelation(session, nameOfTable(`${this.#place.prefix}posts`, place.database));
    if (relation?.columns.has(modifiedColumn) !== true)
      throw misfit(`${posts} is no table of WordPress: it has no ${modifiedColumn}`, posts);
    return relation;
  }

  async #checkRight(session: MysqlSession, name: string): Promise<void> {
    try {
      await session.rows(`SELECT 1 FROM ${name} LIMIT 0`);
    } catch (error) {
      if (numberOf(error) !== 1146) throw asSourceError(error, name);
      const others = await session.rows(`SHOW TABLES LIKE '%posts'`);
      const near = nearestName(
        `${this.#place.prefix}posts`,
        others.map(([other]) => String(other)),
      )?.replace(/posts$/, '');
      throw misfit(
        `${name} does not exist: \`prefix\` is ${this.#place.prefix}${near === undefined ? '' : `, did you mean ${near}?`}`,
        name,
      );
    }
  }

  async #checkKey(session: MysqlSession): Promise<void> {
    if (this.#plan.key.kind === 'id') return;
    const { join, expression, condition } = keyQuery(this.#plan, this.#tables);
    const [twice] = await session.rows(
      `SELECT ${expression} FROM ${this.#tables.posts} AS ${post} ${join} WHERE ${ofPlan(this.#plan)} AND ${condition}
       GROUP BY ${expression} HAVING COUNT(*) > 1 LIMIT 1`,
    );
    if (twice === undefined) return;
    const { keyField, postType } = this.#plan;
    throw misfit(
      `the key (${keyField}) does not tell posts (${postType}) apart: ${textOf(twice[0])} stands in more than one`,
      this.#tables.posts,
    );
  }

  #literal(text: string): string {
    const literal = keyLiteral(this.#plan, text);
    if (literal === undefined) throw new SyncError('source.unavailable', `${text} is no ${this.#plan.keyField} of a post`);
    return literal;
  }

  async #reading<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    try {
      return await this.#place.pool.transact('read', work);
    } catch (error) {
      throw asSourceError(error, this.#tables.posts);
    }
  }
}

function timeLiteral(text: string): string {
  return /^[\d :.-]{10,30}$/.test(text) ? `'${text}'` : `'0000-00-00'`;
}

function misfit(message: string, table: string): SyncError {
  return new SyncError('source.misconfigured', message, { details: { table } });
}
