import type pg from 'pg';
import { type Binding, boundTo, needsJudgement, recordNameOf } from '../../core/identity/binding.ts';
import { BookPages } from '../../core/identity/book-pages.ts';
import { IdentityBook } from '../../core/identity/identity-book.ts';
import type { BindRequest, BindResult, IdentityStore } from '../../core/ports/identity-store.ts';
import { bindingsOf, loadPages, lockKind, writePages } from './identity-rows.ts';
import { faultOf, sqlStateOf, unavailable } from './pool.ts';

const repeatsMax = 5;
/** Somebody else bound one of our new keys meanwhile. */
const uniqueViolation = '23505';

/**
 * One look-up a batch tells of nearly every record that its binding stands. What has to be judged is judged by one process
 * at a time for each kind, in a transaction that reads all it needs and writes all it found.
 */
export function createIdentityStore(pool: pg.Pool): IdentityStore {
  return {
    async bind(requests) {
      if (requests.length === 0) return [];
      for (let attempt = 1; ; attempt++) {
        try {
          return await bindAll(pool, requests);
        } catch (error) {
          const again = faultOf(error) === 'repeat' || sqlStateOf(error) === uniqueViolation;
          if (!again || attempt === repeatsMax) throw unavailable(error);
        }
      }
    },
  };
}

async function bindAll(pool: pg.Pool, requests: readonly BindRequest[]): Promise<readonly BindResult[]> {
  const bindings = new Map((await bindingsOf(pool, requests)).map((binding) => [recordNameOf(binding), binding]));
  const results = new Map<BindRequest, BindResult>();
  const open: BindRequest[] = [];
  // One record that has to be judged takes the others of its key with it: they come after it.
  for (const [name, ofKey] of Map.groupBy(requests, recordNameOf)) {
    const binding = bindings.get(name);
    if (binding === undefined || !ofKey.every((request) => stands(binding, request))) open.push(...ofKey);
    else for (const request of ofKey) results.set(request, boundTo(binding));
  }
  if (open.length > 0) await judge(pool, open, results);
  return requests.map((request) => results.get(request)!);
}

function stands(binding: Binding, request: BindRequest): boolean {
  return request.type === 'change' && request.offset > binding.seenOffset && !needsJudgement(binding, request);
}

async function judge(pool: pg.Pool, requests: readonly BindRequest[], results: Map<BindRequest, BindResult>): Promise<void> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    for (const kind of [...new Set(requests.map((request) => request.kind))].sort()) await lockKind(client, kind);
    const pages = new BookPages();
    const known = await loadPages(client, pages, requests);
    const book = new IdentityBook(pages);
    for (const request of requests) results.set(request, book.bind(request));
    await writePages(client, pages.takeChanges(), known);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch((failed: Error) => {
      broken = failed;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
