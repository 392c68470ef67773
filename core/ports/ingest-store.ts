/**
 * What was drawn for a request that carries an idempotency key, so that asking twice is asking once: the second
 * attempt sends the same positions again, and the pipeline drops what it has.
 */

/** What the connector chose for one record and the client did not say. */
export interface DrawnRecord {
  readonly key: string;
  readonly position: string;
  readonly occurredAt: string;
}

export interface IngestClaim {
  /** Whose key it is, and for what: two clients may use the same key. */
  readonly scope: string;
  readonly idempotencyKey: string;
  readonly bodyHash: string;
  readonly drawn: readonly DrawnRecord[];
}

export interface IngestRequest extends IngestClaim {
  /** Kafka has acknowledged these records. */
  readonly accepted: boolean;
}

export interface IngestStore {
  /**
   * One answer per claim, in order: the request as it stands, which is the claim itself where the key was new. Of two
   * claims of one key in one call the first stands. One round trip whatever the number. Durable when it resolves.
   */
  claim(claims: readonly IngestClaim[]): Promise<readonly IngestRequest[]>;
  /** Kafka has them. Losing this mark costs a second send, nothing else. */
  markAccepted(requests: readonly Pick<IngestClaim, 'scope' | 'idempotencyKey'>[]): Promise<void>;
  /** Forgets requests older than this; returns how many. Called by the sweeper, bounded by `limit`. */
  forget(beforeMs: number, limit: number): Promise<number>;
}
