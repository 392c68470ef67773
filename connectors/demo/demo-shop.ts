import { randomUUID } from 'node:crypto';
import { reasonOf } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { createChance } from './random.ts';
import { createShopFloor, type ShopEvent } from './shop-floor.ts';

export interface DemoShopOptions {
  /** Where the API listens. */
  readonly baseUrl: string;
  readonly eventsPerSecond: number;
  readonly seed: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly apiKey?: string;
  /** The source that is played, where several take the same events. */
  readonly source?: string;
  /** Once when the API stops taking events and once when it takes them again; and for every event it refuses. */
  report?(event: { readonly kind: 'unreachable' | 'reachable' | 'refused'; readonly reason: string }): void;
}

export interface DemoShop {
  readonly accepted: number;
  /** Resolves when the signal ended it. */
  readonly done: Promise<void>;
}

interface Post {
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly body: string | undefined;
  readonly events: number;
}

const beatMsMin = 100;
const requestTimeoutMs = 15_000;
const retryMsFirst = 250;
const retryMsMax = 5_000;
const batchMax = 500;

/** Plays a small shop through the HTTP connector, as any shop would: over HTTP, and again when it was not answered. */
export function createDemoShop(options: DemoShopOptions): DemoShop {
  const { clock, signal, eventsPerSecond } = options;
  const floor = createShopFloor(createChance(options.seed), clock.nowMs().toString(36).toUpperCase());
  let accepted = 0;
  const done = play();
  return {
    get accepted() {
      return accepted;
    },
    done,
  };

  async function play(): Promise<void> {
    const beatMs = Math.max(beatMsMin, 1_000 / eventsPerSecond);
    let owed = 0;
    let lastMs = clock.nowMs();
    while (!signal.aborted) {
      await clock.sleep(beatMs, signal).catch(() => undefined);
      const nowMs = clock.nowMs();
      // Whoever could not sell for an hour does not sell an hour's worth at once.
      owed += (Math.min(nowMs - lastMs, 2 * beatMs) / 1_000) * eventsPerSecond;
      lastMs = nowMs;
      const events: ShopEvent[] = [];
      while (events.length < owed && events.length < batchMax) events.push(...floor.next());
      owed -= events.length;
      for (const post of postsOf(events, options.source)) accepted += await deliver(post);
    }
  }

  /** Until it is taken or refused, under one idempotency key: an answer that got lost must not sell twice. */
  async function deliver(post: Post): Promise<number> {
    const idempotencyKey = randomUUID();
    let unreachable = false;
    for (let delayMs = retryMsFirst; !signal.aborted; delayMs = Math.min(delayMs * 2, retryMsMax)) {
      const answer = await attempt(post, idempotencyKey);
      if (answer.kind !== 'unreachable') {
        if (unreachable) options.report?.({ kind: 'reachable', reason: 'events are taken again' });
        if (answer.kind === 'refused') options.report?.(answer);
        return answer.kind === 'accepted' ? post.events : 0;
      }
      if (!unreachable) options.report?.(answer);
      unreachable = true;
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
    return 0;
  }

  async function attempt({ method, path, body }: Post, idempotencyKey: string): Promise<Answer> {
    try {
      const response = await fetch(new URL(path, options.baseUrl), {
        method,
        headers: {
          'idempotency-key': idempotencyKey,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
        },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
      });
      const text = await response.text();
      if (response.ok) return { kind: 'accepted' };
      const kind = response.status >= 500 || response.status === 429 ? 'unreachable' : 'refused';
      return { kind, reason: `${method} ${path}: ${response.status} ${text.slice(0, 500)}` };
    } catch (error) {
      return { kind: 'unreachable', reason: `${method} ${path}: ${reasonOf(rootOf(error))}` };
    }
  }
}

type Answer = { readonly kind: 'accepted' } | { readonly kind: 'unreachable' | 'refused'; readonly reason: string };

/** One request per kind, each kind in its order; a deletion goes after what came before it. */
export function postsOf(events: readonly ShopEvent[], source: string | undefined): Post[] {
  const posts: Post[] = [];
  const query = source === undefined ? '' : `?source=${encodeURIComponent(source)}`;
  for (const [kind, ofKind] of Map.groupBy(events, (event) => event.kind)) {
    const path = kind === 'users' ? '/users' : `/events/${kind}`;
    let records: ShopEvent[] = [];
    const flush = () => {
      if (records.length > 0) posts.push(postOf(path + query, records));
      records = [];
    };
    for (const event of ofKind) {
      if (event.operation === 'put') {
        records.push(event);
        continue;
      }
      flush();
      posts.push({ method: 'DELETE', path: `${path}/${encodeURIComponent(event.key)}${query}`, body: undefined, events: 1 });
    }
    flush();
  }
  return posts;
}

function postOf(path: string, events: readonly ShopEvent[]): Post {
  const records = events.map((event) => (event.operation === 'put' ? event.record : null));
  return { method: 'POST', path, body: JSON.stringify(records.length === 1 ? records[0] : records), events: records.length };
}

/** fetch keeps the reason of a failed connection in the cause. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}
