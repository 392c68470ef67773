import { committed, SessionPool } from '../tables/session-pool.ts';
import type { MysqlPlace } from './mysql-place.ts';
import { MysqlSession } from './mysql-session.ts';

/** A few connections to one database. */
export class MysqlPool {
  readonly place: MysqlPlace;
  readonly #sessions: SessionPool<MysqlSession>;

  constructor(place: MysqlPlace, sessionsMax: number) {
    this.place = place;
    this.#sessions = new SessionPool({ open: () => MysqlSession.open(place), end: (session) => session.end() }, sessionsMax);
  }

  /** Committed when the work is done, rolled back when it fails. */
  transact<T>(access: 'read' | 'write', work: (session: MysqlSession) => Promise<T>): Promise<T> {
    return this.use(async (session) => {
      await session.begin(access);
      return committed(session, work);
    });
  }

  /** Each statement on its own. */
  use<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    return this.#sessions.use(work);
  }

  /** No work may be under way. */
  close(): Promise<void> {
    return this.#sessions.close();
  }
}
