/**
 * What was drawn for a request that carries an idempotency key, so that asking twice is asking once: the second
 * attempt sends the same events again, at positions of its own, and the pipeline drops what it has.
 */

/** What the connector chose for one record and the client did not say. */
export interface DrawnRecord {
  readonly key: string;
  /** The event's id is made of it. An event that is sent again has the same id at a later position. */
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

/** What a process says of itself when it asks for more positions. */
export interface ReserveRequest {
  /** What the shared clock shows at least, as this process knows it; null where it has not read it yet. */
  readonly atLeastUs: number | null;
  /** The highest this process has drawn. */
  readonly drawnUs: number;
  /** How far beyond the clock it may draw until it asks again. */
  readonly aheadUs: number;
}

export interface Reservation {
  /** The shared clock, read while the call was under way: never less than before, whatever the server's own clock does. */
  readonly nowUs: number;
  /** Nobody had drawn anything above it when the call began. */
  readonly reservedThroughUs: number;
}

export interface IngestStore {
  /** One round trip, asked for by every process once a second, never by a request. Durable when it resolves. */
  reserve(request: ReserveRequest): Promise<Reservation>;
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
