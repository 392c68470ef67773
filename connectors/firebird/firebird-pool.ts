import { faultOf } from './firebird-fault.ts';
import type { FirebirdPlace } from './firebird-place.ts';
import { type Access, FirebirdSession, type FirebirdTransaction } from './firebird-session.ts';

type Attach = (place: FirebirdPlace) => Promise<FirebirdSession>;

/** A few sessions of one database, each doing one transaction at a time. What broke is replaced at the next use. */
export class FirebirdPool {
  readonly #place: FirebirdPlace;
  readonly #sessionsMax: number;
  readonly #attach: Attach;
  readonly #idle: FirebirdSession[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;

  constructor(place: FirebirdPlace, sessionsMax: number, attach: Attach = FirebirdSession.attach) {
    this.#attach = attach;
    this.#place = place;
    this.#sessionsMax = sessionsMax;
  }

  /** Committed when the work is done, rolled back when it fails. */
  async transact<T>(access: Access, work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return this.#withSession(async (session) => {
      const transaction = await session.begin(access);
      try {
        const result = await work(transaction);
        await transaction.commit();
        return result;
      } catch (error) {
        await transaction.rollback();
        throw error;
      }
    });
  }

  read<T>(work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return this.transact('read', work);
  }

  /** No work may be under way. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((session) => session.detach()));
  }

  async #withSession<T>(work: (session: FirebirdSession) => Promise<T>): Promise<T> {
    while (this.#inUse >= this.#sessionsMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inUse++;
    try {
      const session = await this.#session();
      try {
        return await work(session);
      } catch (error) {
        // What it was refused once it is refused for as long as it is attached, whatever has been granted since.
        if (isRefusal(error)) await session.detach();
        throw error;
      } finally {
        // A session whose transaction could not even be rolled back is broken.
        if (!session.isBroken) this.#idle.push(session);
      }
    } finally {
      this.#inUse--;
      this.#waiting.shift()?.();
    }
  }

  async #session(): Promise<FirebirdSession> {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.isBroken) return session;
    }
    return this.#attach(this.#place);
  }
}

function isRefusal(error: unknown): boolean {
  return faultOf(error) === 'permission' || (error instanceof Error && faultOf(error.cause) === 'permission');
}
