import type { MysqlPlace } from './mysql-place.ts';
import { MysqlSession } from './mysql-session.ts';

/** A few connections to one database. What broke is replaced at the next use. */
export class MysqlPool {
  readonly place: MysqlPlace;
  readonly #sessionsMax: number;
  readonly #idle: MysqlSession[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;

  constructor(place: MysqlPlace, sessionsMax: number) {
    this.place = place;
    this.#sessionsMax = sessionsMax;
  }

  /** Committed when the work is done, rolled back when it fails. */
  transact<T>(access: 'read' | 'write', work: (session: MysqlSession) => Promise<T>): Promise<T> {
    return this.use(async (session) => {
      await session.begin(access);
      try {
        const result = await work(session);
        await session.commit();
        return result;
      } catch (error) {
        await session.rollback();
        throw error;
      }
    });
  }

  /** Each statement on its own. */
  async use<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    while (this.#inUse >= this.#sessionsMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inUse++;
    try {
      const session = await this.#session();
      try {
        return await work(session);
      } finally {
        if (!session.isBroken) this.#idle.push(session);
      }
    } finally {
      this.#inUse--;
      this.#waiting.shift()?.();
    }
  }

  /** No work may be under way. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((session) => session.end()));
  }

  async #session(): Promise<MysqlSession> {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.isBroken) return session;
    }
    return MysqlSession.open(this.place);
  }
}
