import { hash } from 'node:crypto';
import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { IngestClaim, IngestRequest, IngestStore } from '../../core/ports/ingest-store.ts';
import { Gatherer } from './gather.ts';

export interface Idempotency {
  /** The draws to send: those of the first attempt where there was one. Throws where the key belongs to another body. */
  claim(claim: IngestClaim): Promise<IngestRequest>;
  accepted(request: IngestRequest): Promise<void>;
  close(): Promise<void>;
}

const keyPattern = /^[\x21-\x7e]{1,255}$/;
const claimsAtOnceMax = 500;
const waitingMax = 5_000;
const waitMsMax = 10_000;
/** The draws of one batch count like this many claims. */
const drawsPerClaim = 20;

/** Only requests with a key touch PostgreSQL, and those that come together touch it together. */
export function createIdempotency(store: IngestStore, clock: Clock): Idempotency {
  const bounds = {
    runWeightMax: claimsAtOnceMax,
    queuedWeightMax: waitingMax,
    gatherMs: 1,
    waitMsMax,
    timedOut: () => new SyncError('postgres.unavailable', 'PostgreSQL did not answer in time; nothing of this request was sent'),
    clock,
  };
  const claims = new Gatherer<IngestClaim, IngestRequest>({
    ...bounds,
    run: (items) => store.claim(items),
    weightOf: (claim) => 1 + claim.drawn.length / drawsPerClaim,
  });
  const marks = new Gatherer<IngestRequest, true>({
    ...bounds,
    async run(requests) {
      await store.markAccepted(requests);
      return requests.map(() => true as const);
    },
    weightOf: () => 1,
  });
  return {
    async claim(claim) {
      const request = await claims.submit(claim);
      if (request.bodyHash !== claim.bodyHash) {
        throw new SyncError(
          'request.idempotency-mismatch',
          `the idempotency key ${claim.idempotencyKey} was used before for another body; nothing was accepted`,
        );
      }
      return request;
    },
    async accepted(request) {
      await marks.submit(request);
    },
    async close() {
      await Promise.all([claims.close(), marks.close()]);
    },
  };
}

export function idempotencyKeyOf(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (!keyPattern.test(header)) {
    const message = 'must be 1 to 255 visible ASCII characters';
    throw new SyncError('request.invalid', `Idempotency-Key ${message}`, {
      details: { errors: [{ field: 'Idempotency-Key', code: 'invalid_format', message }] },
    });
  }
  return header;
}

/** Two bodies are the same when their bytes are: a repetition is a repetition, not a rewriting. */
export function bodyHashOf(what: string, bytes: Buffer): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${what}\n`), bytes]), 'hex');
}
