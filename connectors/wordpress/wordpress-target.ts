import { canonicalText } from '../../core/canonical/canonical.ts';
import { SyncError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { keyTextOf } from '../../core/key-text.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../../core/ports/target-connector.ts';
import { nameOfTable, type Relation, readRelation, textOf } from '../mysql/catalogue.ts';
import { asTargetError, faultOf } from '../mysql/mysql-fault.ts';
import { nameOf } from '../mysql/mysql-place.ts';
import type { MysqlSession } from '../mysql/mysql-session.ts';
import { userOf } from '../mysql/mysql-table.ts';
import { tryRights } from '../mysql/target-table.ts';
import { type PostScene, postsBehind, postsUnder, type StoredPost } from './post-lookup.ts';
import type { PostPlan } from './post-plan.ts';
import { keyLiteral } from './post-query.ts';
import { erasePost, trashPost } from './post-trash.ts';
import { type NewPostRules, PostWriter } from './post-writer.ts';
import type { PostsPlace } from './posts-reader.ts';
import { readSite, type SiteTables, siteTables } from './site.ts';

export interface PostTarget {
  readonly plan: PostPlan;
  readonly rules: NewPostRules;
  readonly onDelete: 'trash' | 'delete';
}

const repeatsMax = 5;

/** Posts of a WordPress site, written through its tables. */
export class WordpressTarget implements TargetConnector, SystemReader {
  readonly #place: PostsPlace;
  readonly #targets: readonly PostTarget[];
  readonly #tables: SiteTables;
  #relation: Relation | undefined;

  constructor(place: PostsPlace, targets: readonly PostTarget[]) {
    this.#place = place;
    this.#targets = targets;
    this.#tables = siteTables(place.pool.place.database, place.prefix);
  }

  async open(): Promise<void> {
    const { pool, prefix } = this.#place;
    const names = nameOfTable(`${prefix}posts`, pool.place.database);
    try {
      this.#relation = await pool.use(async (session) => {
        const relation = await readRelation(session, names);
        if (relation?.columns.has('post_modified_gmt') !== true) throw this.#misfit(session, names.name);
        await this.#tryRights(session);
        return relation;
      });
    } catch (error) {
      throw asTargetError(error, nameOf(pool.place));
    }
  }

  keyOf(kind: string, row: TargetRow): string | undefined {
    const target = this.#targets.find(({ plan }) => plan.kind === kind);
    return target === undefined ? undefined : keyTextOf([target.plan.keyField], row);
  }

  async write(kind: string, changes: readonly TargetChange[]): Promise<readonly TargetResult[]> {
    const target = this.#targetOf(kind);
    for (const { key } of changes) {
      if (keyLiteral(target.plan, key) === undefined)
        throw new TargetRejected(`${key} is no ${target.plan.keyField} of a post`, { key });
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#place.pool.transact('write', (session) => this.#writeIn(session, target, changes));
      } catch (error) {
        if (faultOf(error) === 'repeat' && attempt < repeatsMax) continue;
        throw asTargetError(error, this.#tables.posts);
      }
    }
  }

  async readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    const { plan } = this.#targetOf(kind);
    const from = after === null ? null : String(after.after);
    const posts = await this.#reading(plan, (scene) => postsBehind(scene, from, limit));
    const last = posts.at(-1);
    const rows = new Map(posts.map(({ key, row }) => [key, row]));
    return {
      rows: [...rows].map(([key, row]) => ({ key, row })),
      next: last === undefined || posts.length < limit ? null : { after: last.key },
    };
  }

  async readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    const posts = await this.#reading(this.#targetOf(kind).plan, (scene) => postsUnder(scene, keys, 'look'));
    return [...posts].flatMap(([key, { isTrashed, row }]) => (isTrashed ? [] : [{ key, row }]));
  }

  async close(): Promise<void> {
    await this.#place.pool.close();
  }

  async #writeIn(session: MysqlSession, target: PostTarget, changes: readonly TargetChange[]): Promise<TargetResult[]> {
    const tables = this.#tables;
    // No index keeps slugs, metas and names of terms apart: those of us who write to one site do it one after the other.
    await session.rows(`SELECT option_value FROM ${tables.options} WHERE option_name = 'siteurl' FOR UPDATE`);
    const scene = await this.#sceneOf(session, target.plan);
    const nowUtc = textOf((await session.rows("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s')"))[0]![0])!;
    const work = new PostBatch(scene, target, nowUtc);
    return work.write(changes);
  }

  async #reading<T>(plan: PostPlan, work: (scene: PostScene) => Promise<T>): Promise<T> {
    try {
      return await this.#place.pool.transact('read', async (session) => work(await this.#sceneOf(session, plan)));
    } catch (error) {
      throw error instanceof TargetRejected
        ? new SyncError('target.misconfigured', error.message, { cause: error })
        : asTargetError(error, this.#tables.posts);
    }
  }

  async #sceneOf(session: MysqlSession, plan: PostPlan): Promise<PostScene> {
    const tables = this.#tables;
    const site = await readSite(session, tables, this.#place.siteUrl);
    return { session, tables, site, plan, relation: this.#relation! };
  }

  #targetOf(kind: string): PostTarget {
    const target = this.#targets.find(({ plan }) => plan.kind === kind);
    if (target === undefined || this.#relation === undefined) throw new Error(`the target was not opened for ${kind}`);
    return target;
  }

  async #tryRights(session: MysqlSession): Promise<void> {
    const { posts, postmeta, terms, taxonomy, relationships, options, comments, commentmeta } = this.#tables;
    const grant = (what: string, name: string) => `GRANT ${what} ON ${name} TO ${userOf(session)}`;
    const written: (readonly [string, string])[] = [
      [posts, 'ID'],
      [postmeta, 'post_id'],
      [terms, 'name'],
      [taxonomy, 'taxonomy'],
      [relationships, 'object_id'],
    ];
    if (this.#targets.some(({ onDelete }) => onDelete === 'delete'))
      written.push([comments, 'comment_post_ID'], [commentmeta, 'comment_id']);
    for (const [name, column] of written)
      await tryRights(session, name, { key: [column], deletes: true }, grant('SELECT, INSERT, UPDATE, DELETE', name));
    await session.rows(`SELECT 1 FROM ${options} LIMIT 0 FOR UPDATE`).catch((error: unknown) => {
      if (faultOf(error) !== 'permission') throw error;
      throw new SyncError(
        'target.misconfigured',
        `the user ${session.facts.user} may not read ${options}: ${grant('SELECT, UPDATE', options)}`,
      );
    });
  }

  #misfit(session: MysqlSession, name: string): SyncError {
    return new SyncError(
      'target.misconfigured',
      `${name} is no table of WordPress, or ${session.facts.user} may not know of it: look at \`prefix\`, or GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ${userOf(session)}`,
    );
  }
}

/** The changes of one transaction. */
class PostBatch {
  readonly #scene: PostScene;
  readonly #target: PostTarget;
  readonly #writer: PostWriter;
  readonly #nowUtc: string;

  constructor(scene: PostScene, target: PostTarget, nowUtc: string) {
    this.#scene = scene;
    this.#target = target;
    this.#nowUtc = nowUtc;
    this.#writer = new PostWriter(scene, target.rules, nowUtc);
  }

  async write(changes: readonly TargetChange[]): Promise<TargetResult[]> {
    const keys = changes.map(({ key }) => key);
    const found = await postsUnder(this.#scene, keys, 'lock');
    const written = new Set<string>();
    const kept = new Set<string>();
    for (const change of changes) {
      const stored = found.get(change.key) ?? null;
      const decision = change.decide(rowOf(stored));
      if (decision.kind === 'leave') continue;
      if (decision.kind === 'delete') {
        if (stored !== null && !stored.isTrashed) await this.#remove(stored);
      } else if (decision.kind === 'write') await this.#writer.save(change.key, decision.row, stored);
      else if (stored === null || stored.isTrashed || !(await this.#keeps(change.key, decision.row, stored))) continue;
      else kept.add(change.key);
      written.add(change.key);
    }
    const after = await postsUnder(this.#scene, [...written], 'look');
    return changes.map(({ key, decide }): TargetResult => {
      const before = rowOf(found.get(key) ?? null);
      if (!written.has(key)) return { kind: 'left', found: before };
      if (kept.has(key)) return { kind: 'written', replaced: before, returned: before };
      const returned = rowOf(after.get(key) ?? null);
      if (returned === null && decide(before).kind === 'write') throw this.#otherKey(key);
      return { kind: 'written', replaced: before, returned };
    });
  }

  async #remove(stored: StoredPost): Promise<void> {
    if (this.#target.onDelete === 'trash') await trashPost(this.#scene, stored, this.#nowUtc);
    else await erasePost(this.#scene, stored);
  }

  /** A probe stands where writing it changes nothing. */
  async #keeps(key: string, row: TargetRow, stored: StoredPost): Promise<boolean> {
    const { session } = this.#scene;
    await session.run(['SAVEPOINT probe']);
    await this.#writer.save(key, row, stored);
    const after = rowOf((await postsUnder(this.#scene, [key], 'look')).get(key) ?? null);
    const isSame = after !== null && canonicalText(withoutTimes(after)) === canonicalText(withoutTimes(stored.row));
    await session.run(['ROLLBACK TO SAVEPOINT probe', 'RELEASE SAVEPOINT probe']);
    return isSame;
  }

  #otherKey(key: string): TargetRejected {
    const { keyField } = this.#scene.plan;
    return new TargetRejected(`WordPress keeps no post with ${keyField} ${key}: it makes something else of it`, { key });
  }
}

function rowOf(stored: StoredPost | null): TargetRow | null {
  return stored === null || stored.isTrashed ? null : stored.row;
}

/** Saving what is there already counts as a change to nobody but the clock. */
function withoutTimes({ post_modified: _local, post_modified_gmt: _utc, ...row }: TargetRow): TargetRow {
  return row;
}
