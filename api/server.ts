import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import cors from 'cors';
import express, { type Express, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { SynclineConfig } from '../core/config/config.ts';
import type { AnswerSender } from '../core/conflict/answer-sender.ts';
import { SyncError } from '../core/errors.ts';
import type { ApiKeyStore } from '../core/ports/api-key-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { DeadLetterFilter, DeadLetterStore } from '../core/ports/dead-letter-store.ts';
import type { DifferenceRebuilds } from '../core/ports/difference-pairs.ts';
import type { EntityStore } from '../core/ports/entity-store.ts';
import type { ReadStore } from '../core/ports/read-store.ts';
import type { SourceDesk } from '../core/ports/source-store.ts';
import type { TargetDesk } from '../core/ports/target-desk.ts';
import type { VerificationDesk } from '../core/ports/verification-desk.ts';
import { tablesSystem } from '../core/verify/systems.ts';
import type { LogEnds } from './accounting-reader.ts';
import { type Authenticator, createAuthenticator, unauthenticated } from './authenticator.ts';
import { callerOf, isFromThisMachine, mayActAs, setCaller } from './caller.ts';
import { ConflictDesk } from './conflict-desk.ts';
import { docsPage } from './docs-page.ts';
import { IdentityDesk, type IdentityDeskDeps } from './identity-desk.ts';
import { type IngestDocument, openApiDocument } from './openapi.ts';
import { answerProblems, correlate, notFound } from './problem-answer.ts';
import { limitRate } from './rate-limit.ts';
import { createReadiness, type Readiness, type ReadinessCheck } from './readiness.ts';
import { refuseForeignCharset } from './request-charset.ts';
import type { Route } from './route.ts';
import { mountRoutes, refuseMethod } from './route-handler.ts';
import { conflictRoutes } from './routes/conflicts.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { differenceRoutes } from './routes/differences.ts';
import { entityRoutes } from './routes/entities.ts';
import { historyRoutes } from './routes/history.ts';
import { identityRoutes } from './routes/identity.ts';
import { keyRoutes } from './routes/keys.ts';
import { repairRoutes } from './routes/repairs.ts';
import { sourceEventRoutes } from './routes/source-events.ts';
import { sourceTypes } from './routes/source-type.ts';
import { sourceRoutes } from './routes/sources.ts';
import { type About, statusRoutes } from './routes/status.ts';
import { syncStateRoutes } from './routes/sync-state.ts';
import { targetLetterRoutes } from './routes/target-letters.ts';
import { targetRoutes } from './routes/targets.ts';
import { verifyRoutes } from './routes/verify.ts';
import { whatIfRoutes } from './routes/what-if.ts';
import { type WhatIfDeps, WhatIfDesk } from './what-if-desk.ts';

export interface ApiDeps {
  readonly config: Pick<SynclineConfig, 'profile' | 'api' | 'sources' | 'targets'>;
  readonly clock: Clock;
  readonly readStore: ReadStore;
  readonly entityStore: EntityStore;
  /** Sends decisions about conflicts on their way. */
  readonly answers: Pick<AnswerSender, 'send'>;
  readonly identity: Pick<IdentityDeskDeps, 'registry' | 'relinks'>;
  /** By kind: its conflict policy, and the sources that have it. */
  readonly kinds: WhatIfDeps['kinds'];
  readonly differenceRebuilds: DifferenceRebuilds;
  readonly keyStore: ApiKeyStore;
  readonly deadLetterStore: DeadLetterStore;
  replayDeadLetters(filter: DeadLetterFilter, limit: number): Promise<number>;
  readonly targetDesk: TargetDesk;
  readonly sourceDesk: SourceDesk;
  readonly verificationDesk: VerificationDesk;
  readonly ends: LogEnds;
  /** What `/ready` asks, the roles included. */
  readonly readinessChecks: readonly ReadinessCheck[];
  readonly about: About;
  /** The addresses of an ingest connector, already complete, and what they take. */
  readonly ingest: { readonly router: RequestHandler; readonly documents: readonly IngestDocument[] };
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Once per request, by the pattern of its route: an address with an id in it would be a series of its own. */
  requestAnswered?(event: { method: string; route: string; status: number; durationMs: number }): void;
  /** A failure of ours, with the correlation id its caller was given. */
  requestFailed?(error: unknown, correlationId: string): void;
}

export interface Api {
  readonly app: Express;
  listen(host: string, port: number): Promise<{ readonly url: string; close(): Promise<void> }>;
}

const closeGraceMs = 5_000;

export function createApi(deps: ApiDeps): Api {
  const authenticator = createAuthenticator(deps.keyStore, deps.clock);
  const readiness = createReadiness(deps.readinessChecks, deps.clock);
  const routes = routesOf(deps, authenticator, readiness);
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('trust proxy', false);
  app.set('query parser', 'simple');
  app.use(measure(deps));
  app.use(allowOrigins(deps.config.api.corsOrigins));
  app.use(refuseForeignCharset);
  // Before everything that costs: an ingest request passes one check and its own router.
  app.use(['/users', '/events'], admitIngest(deps, authenticator), limitRate(deps.config.api.rateLimit.ingestPerMinute));
  app.use(deps.ingest.router);
  app.use(correlate);
  app.use(
    helmet({
      contentSecurityPolicy: { directives: { 'upgrade-insecure-requests': null, 'style-src': ["'self'", "'unsafe-inline'"] } },
    }),
  );
  mountOperating(app, deps, readiness, openApiDocument(deps.about.version, routes, deps.ingest.documents));
  app.use('/api', identify(authenticator), limitRate(deps.config.api.rateLimit.perMinute));
  mountRoutes(app, routes);
  app.use(notFound);
  app.use(answerProblems(deps.requestFailed ?? (() => undefined)));
  return { app, listen: (host, port) => listen(app, host, port) };
}

function routesOf(deps: ApiDeps, authenticator: Authenticator, readiness: Readiness): Route[] {
  const { readStore: store, deadLetterStore, clock, ends, about } = deps;
  const sourceTypeOf = sourceTypes(deps.config.sources);
  return [
    ...statusRoutes({
      store,
      deadLetterStore,
      ends,
      readiness,
      clock,
      about,
      targetDesk: deps.targetDesk,
      targets: Object.keys(deps.config.targets),
      verificationDesk: deps.verificationDesk,
    }),
    ...syncStateRoutes(store, sourceTypeOf),
    ...sourceEventRoutes(store, sourceTypeOf),
    ...historyRoutes(store),
    ...conflictRoutes({ store, desk: new ConflictDesk({ store, answers: deps.answers, clock }), sourceTypeOf }),
    ...identityRoutes(new IdentityDesk({ ...deps.identity, store, sources: deps.config.sources })),
    ...entityRoutes({ store, entities: deps.entityStore, kinds: deps.kinds }),
    ...whatIfRoutes(new WhatIfDesk({ store: deps.entityStore, clock, kinds: deps.kinds })),
    ...differenceRoutes(store, deps.differenceRebuilds, sourceTypeOf),
    ...deadLetterRoutes({ store: deadLetterStore, clock, replay: deps.replayDeadLetters }),
    ...sourceRoutes({ sources: deps.config.sources, desk: deps.sourceDesk }),
    ...targetRoutes({ targets: deps.config.targets, desk: deps.targetDesk, clock }),
    ...targetLetterRoutes(deps.targetDesk),
    ...verifyRoutes({ desk: deps.verificationDesk, systems: verifiableSystems(deps.config) }),
    ...repairRoutes(deps.verificationDesk),
    ...keyRoutes(deps.keyStore, authenticator),
  ];
}

function verifiableSystems({ sources, targets }: ApiDeps['config']): ReadonlyMap<string, readonly string[]> {
  const systems = new Map<string, readonly string[]>();
  for (const [name, { entities }] of [...Object.entries(sources), ...Object.entries(targets)]) {
    systems.set(name, [...(systems.get(name) ?? []), ...Object.keys(entities)]);
  }
  return systems.set(tablesSystem, [...systems.values()].flat());
}

/** What needs no key: a process that asks whether we live has none. */
function mountOperating(app: Express, deps: ApiDeps, readiness: Readiness, document: unknown): void {
  const documentText = JSON.stringify(document);
  const pages: Readonly<Record<string, (response: Response) => Promise<void> | void>> = {
    '/health': (response) => void response.json({ status: 'alive' }),
    '/ready': async (response) => {
      const notReady = await readiness.notReady();
      if (notReady.length === 0) return void response.json({ status: 'ready' });
      const errors = notReady.map(({ part, reason }) => ({ field: part, code: 'not-ready', message: reason }));
      throw new SyncError('service.not-ready', `not ready: ${notReady.map(({ part }) => part).join(', ')}`, {
        details: { errors },
      });
    },
    '/metrics': async (response) => {
      const { contentType, text } = await deps.metrics();
      response.set('content-type', contentType).send(text);
    },
    '/openapi.json': (response) => void response.type('json').send(documentText),
  };
  for (const [path, answer] of Object.entries(pages)) {
    app.get(path, (_request, response) => answer(response));
    app.all(path, (request, response) => refuseMethod(request, response, 'GET'));
  }
  app.use('/docs', docsPage());
}

function identify(authenticator: Authenticator): RequestHandler {
  return async (request, response, next) => {
    setCaller(response, await authenticator.callerOf(request.headers.authorization));
    next();
  };
}

function admitIngest({ config }: ApiDeps, authenticator: Authenticator): RequestHandler {
  const anonymously = config.api.anonymousIngest === 'loopback' && config.profile !== 'production';
  return async (request, response, next) => {
    if (request.headers.authorization !== undefined) {
      setCaller(response, await authenticator.callerOf(request.headers.authorization));
      const caller = callerOf(response);
      if (!mayActAs(caller, 'operator')) throw new SyncError('request.forbidden', 'ingest needs a key with the role operator');
    } else if (!anonymously || !isFromThisMachine(request)) {
      throw unauthenticated(
        anonymously ? 'ingest without an API key is taken from this machine only' : 'ingest needs an API key',
      );
    }
    next();
  };
}

function allowOrigins(origins: readonly string[]): RequestHandler {
  if (origins.length === 0) return (_request, _response, next) => next();
  return cors({
    origin: [...origins],
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-correlation-id'],
    exposedHeaders: ['x-correlation-id', 'retry-after'],
    maxAge: 600,
  });
}

function measure({ clock, requestAnswered }: ApiDeps): RequestHandler {
  if (requestAnswered === undefined) return (_request, _response, next) => next();
  return (request, response, next) => {
    const startedMs = clock.nowMs();
    response.once('finish', () => {
      const path: unknown = request.route?.path;
      const route = typeof path === 'string' ? path : 'none';
      requestAnswered({ method: request.method, route, status: response.statusCode, durationMs: clock.nowMs() - startedMs });
    });
    next();
  };
}

async function listen(app: Express, host: string, port: number) {
  // Not imported: `import` evaluates all that the module could export, here clients of 12 MB that nobody uses.
  const server = process
    .getBuiltinModule('node:http')
    .createServer({ keepAliveTimeout: 60_000, headersTimeout: 20_000, requestTimeout: 60_000 }, app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `http://${name}:${address.port}`, close: () => closeServer(server) };
}

/** Whoever is being answered is answered; connections that only wait are closed. */
async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const patience = setTimeout(() => server.closeAllConnections(), closeGraceMs);
  await closed;
  clearTimeout(patience);
}
