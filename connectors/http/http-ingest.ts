import { randomUUID } from 'node:crypto';
import express, { type NextFunction, type Request, type Response } from 'express';
import { isSyncError, SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { LogProducer } from '../../core/ports/event-log.ts';
import type { DrawnRecord, IngestStore } from '../../core/ports/ingest-store.ts';
import type { RecordCodecs } from '../../core/ports/record-codec.ts';
import type { Telemetry } from '../../core/ports/telemetry.ts';
import type { Position } from '../../core/position.ts';
import { problemContentType, problemOf } from '../../core/problem.ts';
import type { TopicNames } from '../../core/topics.ts';
import { createEventSender } from './event-sender.ts';
import { bodyHashOf, createIdempotency, idempotencyKeyOf } from './idempotency.ts';
import { type CheckedRecord, checkBody, invalid } from './ingest-check.ts';
import { checkedKey, type IngestType } from './ingest-type.ts';
import { type IngestTypes, usersKind } from './ingest-types.ts';
import { type IngestLine, outgoingOf } from './outgoing.ts';
import { createPositionDraw } from './position-draw.ts';
import { bytesOf, collectBody, parseBody } from './request-body.ts';
import { SharedClock, type SteadyClock } from './shared-clock.ts';

export interface HttpIngestDeps {
  readonly types: IngestTypes;
  readonly producer: LogProducer;
  readonly ingestStore: IngestStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly topics: TopicNames;
  readonly codecs: RecordCodecs;
  partitionsOf(topic: string): number;
  readonly limits: HttpIngestLimits;
  /** Tells apart processes that draw positions in the same microsecond; at most 40 visible characters. */
  readonly instance?: string;
  /** Goes on whatever the machine's clock does. */
  readonly steadyMs?: SteadyClock;
  /** Whose idempotency keys these are. */
  callerOf?(response: Response): string;
}

export interface HttpIngestLimits {
  readonly bodyBytesMax: number;
  readonly batchRecordsMax: number;
  /** Bytes of events that may wait for Kafka. */
  readonly queuedBytesMax?: number;
  /** How long a request waits for Kafka's acknowledgement. */
  readonly acknowledgeMsMax?: number;
}

export interface HttpIngest {
  readonly router: express.Router;
  /** Refuses newcomers; resolves when whoever waits has an answer. The producer stays open: its opener closes it. */
  close(): Promise<void>;
}

const sendBytesMax = 1_000_000;
const queuedBytesDefault = 32_000_000;
const acknowledgeMsDefault = 10_000;
const gatherMs = 2;
const retryAfterSeconds = '1';
const correlationIdPattern = /^[\x21-\x7e]{1,128}$/;

/** Invariant 1: an event is accepted when Kafka has it, and whoever sent it is told so only then. */
export function createHttpIngest(deps: HttpIngestDeps): HttpIngest {
  const { limits, clock, types } = deps;
  const shared = new SharedClock(deps.ingestStore, clock, deps.steadyMs ?? (() => performance.now()));
  const draw = createPositionDraw(shared, deps.instance ?? randomUUID().slice(0, 8));
  const idempotency = createIdempotency(deps.ingestStore, clock);
  const lineOf = createLines(deps);
  const sender = createEventSender(deps.producer, clock, deps.telemetry, {
    sendBytesMax,
    queuedBytesMax: limits.queuedBytesMax ?? queuedBytesDefault,
    gatherMs,
    acknowledgeMsMax: limits.acknowledgeMsMax ?? acknowledgeMsDefault,
  });

  function drawFor(record: CheckedRecord): DrawnRecord {
    return {
      key: record.key ?? randomUUID(),
      position: draw.next(),
      occurredAt: record.occurredAt ?? new Date(clock.nowMs()).toISOString(),
    };
  }

  /** Draws, sends, waits for the acknowledgement, answers. */
  async function accept(
    request: Request<object>,
    response: Response,
    type: IngestType,
    checked: readonly CheckedRecord[],
    batch: boolean,
  ) {
    const correlationIdGiven = correlationIdOf(request);
    const idempotencyKey = idempotencyKeyOf(request.get('idempotency-key'));
    const line = await lineOf(type);
    await draw.ready();
    const drawn = checked.map(drawFor);
    if (idempotencyKey === null) {
      const positions = drawn.map((record) => record.position as Position);
      const outgoing = outgoingOf(line, checked, drawn, positions, correlationIdGiven, batch);
      await sender.submit({ source: type.source, ...outgoing });
      await draw.passed(positions.at(-1)!);
      answer(response, outgoing.ids, outgoing.correlationId, batch);
      return;
    }
    // Whatever is wrong with the records is said before the key is bound to them.
    outgoingOf(line, checked, drawn, checked.map(draw.next), correlationIdGiven, batch);
    const scope = `${deps.callerOf?.(response) ?? 'anyone'}:${type.source}.${type.kind}`;
    const bodyHash = bodyHashOf(`${request.method} ${request.path}`, bytesOf(request));
    const claimed = await idempotency.claim({ scope, idempotencyKey, bodyHash, drawn });
    // Drawn and queued in one go: others may have been sent since the ids were drawn, by this attempt or an earlier one.
    const positions = checked.map(draw.next);
    const outgoing = outgoingOf(line, checked, claimed.drawn, positions, correlationIdGiven, batch);
    if (!claimed.accepted) {
      await sender.submit({ source: type.source, ...outgoing });
      await draw.passed(positions.at(-1)!);
      // Without this mark a repetition sends the same events again, and the pipeline drops them.
      await idempotency.accepted(claimed).catch(() => undefined);
    }
    answer(response, outgoing.ids, outgoing.correlationId, batch);
  }

  async function post(request: Request<object>, response: Response, kind: string): Promise<void> {
    const type = types.find(kind, sourceAsked(request));
    const body = parseBody(bytesOf(request));
    await accept(request, response, type, checkBody(type, body, limits.batchRecordsMax), Array.isArray(body));
  }

  async function remove(request: Request<{ key: string }>, response: Response, kind: string, key: string): Promise<void> {
    const type = types.find(kind, sourceAsked(request));
    if (type.keyFields.length === 0) {
      response.set('allow', 'POST');
      throw new SyncError('request.method-not-allowed', `events of type ${kind} have no key: each is an entity of its own`);
    }
    const keyed = checkedKey(type, key, 'key');
    if ('error' in keyed) throw invalid([keyed.error]);
    await accept(request, response, type, [{ data: null, key, occurredAt: null }], false);
  }

  const router = express.Router();
  const body = collectBody(limits.bodyBytesMax);
  router.post('/users', body, (request, response) => post(request, response, usersKind));
  router.post('/events/:type', body, (request: Request<{ type: string }>, response) =>
    post(request, response, request.params.type),
  );
  router.delete('/users/:key', (request, response) => remove(request, response, usersKind, request.params.key));
  router.delete('/events/:type/:key', (request, response) => remove(request, response, request.params.type, request.params.key));
  router.all(['/users', '/events/:type'], (_request, response) => refuseMethod(response, 'POST'));
  router.all(['/users/:key', '/events/:type/:key'], (_request, response) => refuseMethod(response, 'DELETE'));
  router.use(answerProblem);
  return {
    router,
    async close() {
      await sender.close();
      await idempotency.close();
      await shared.close();
    },
  };
}

/** Codecs are prepared at the first event of a type: a registry that is out delays that type alone. */
function createLines(deps: HttpIngestDeps): (type: IngestType) => Promise<IngestLine> | IngestLine {
  const lines = new Map<IngestType, IngestLine>();
  return (type) => lines.get(type) ?? open(type);

  async function open(type: IngestType): Promise<IngestLine> {
    const topic = deps.topics.raw(type.source, type.kind);
    const line = { type, topic, partitions: deps.partitionsOf(topic), codec: await deps.codecs.for('change', topic) };
    lines.set(type, line);
    return line;
  }
}

function sourceAsked(request: Request<object>): string | undefined {
  const source = request.query.source;
  return typeof source === 'string' ? source : undefined;
}

function correlationIdOf(request: Request<object>): string | null {
  const given = request.get('x-correlation-id');
  if (given === undefined) return null;
  if (correlationIdPattern.test(given)) return given;
  throw invalid([{ field: 'X-Correlation-Id', code: 'invalid', message: 'must be 1 to 128 visible ASCII characters' }]);
}

function answer(response: Response, ids: readonly string[], correlationId: string, batch: boolean): void {
  const text = JSON.stringify(batch ? { ids, correlationId } : { id: ids[0], correlationId });
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-correlation-id': correlationId,
  });
  response.end(text);
}

function refuseMethod(response: Response, allow: string): never {
  response.set('allow', allow);
  throw new SyncError('request.method-not-allowed', `only ${allow} is taken here`);
}

/** Express tells an error handler by its four parameters. */
function answerProblem(error: unknown, request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent || !isSyncError(error)) {
    next(error);
    return;
  }
  const correlationId = request.get('x-correlation-id');
  const problem = problemOf(
    error,
    correlationId !== undefined && correlationIdPattern.test(correlationId) ? correlationId : undefined,
  );
  if (problem.status === 503) response.set('retry-after', retryAfterSeconds);
  response.status(problem.status).type(problemContentType).send(JSON.stringify(problem));
}
