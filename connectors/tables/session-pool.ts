/** A connection that does one thing at a time. */
export interface PooledSession {
  /** It is of no more use. */
  readonly isBroken: boolean;
}

export interface SessionMaker<Session extends PooledSession> {
  open(): Promise<Session>;
  end(session: Session): Promise<void>;
}

/** A few sessions of one database. What broke is replaced at the next use. */
export class SessionPool<Session extends PooledSession> {
  readonly #maker: SessionMaker<Session>;
  readonly #sessionsMax: number;
  readonly #idle: Session[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;

  constructor(maker: SessionMaker<Session>, sessionsMax: number) {
    this.#maker = maker;
    this.#sessionsMax = sessionsMax;
  }

  /** Waits until one is free. */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    while (this.#inUse >= this.#sessionsMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inUse++;
    try {
      const session = this.#unbroken() ?? (await this.#maker.open());
      try {
        return await work(session);
      } finally {
        this.#idle.push(session);
      }
    } finally {
      this.#inUse--;
      this.#waiting.shift()?.();
    }
  }

  /** No work may be under way. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((session) => this.#maker.end(session)));
  }

  #unbroken(): Session | undefined {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.isBroken) return session;
    }
    return undefined;
  }
}

/** Committed when the work is done, rolled back when it fails. */
export async function committed<Transaction extends { commit(): Promise<void>; rollback(): Promise<void> }, T>(
  transaction: Transaction,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  try {
    const result = await work(transaction);
    await transaction.commit();
    return result;
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
}
