import { SessionPool } from '../tables/session-pool.ts';
import { faultOf } from './firebird-fault.ts';
import type { FirebirdPlace } from './firebird-place.ts';
import { type Access, FirebirdSession, type FirebirdTransaction } from './firebird-session.ts';

type Attach = (place: FirebirdPlace) => Promise<FirebirdSession>;

/** A few sessions of one database, each doing one transaction at a time. */
export class FirebirdPool {
  readonly #sessions: SessionPool<FirebirdSession>;

  constructor(place: FirebirdPlace, sessionsMax: number, attach: Attach = FirebirdSession.attach) {
    this.#sessions = new SessionPool({ open: () => attach(place), end: (session) => session.detach() }, sessionsMax);
  }

  /** Committed when the work is done, rolled back when it fails. */
  transact<T>(access: Access, work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return this.#sessions.use(async (session) => {
      try {
        return await session.transact(access, work);
      } catch (error) {
        // What it was refused once it is refused for as long as it is attached, whatever has been granted since.
        if (isRefusal(error)) await session.detach();
        throw error;
      }
    });
  }

  read<T>(work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return this.transact('read', work);
  }

  /** No work may be under way. */
  close(): Promise<void> {
    return this.#sessions.close();
  }
}

function isRefusal(error: unknown): boolean {
  return faultOf(error) === 'permission' || (error instanceof Error && faultOf(error.cause) === 'permission');
}
