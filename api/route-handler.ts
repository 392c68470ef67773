import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import type { z } from 'zod';
import { isSyncError, reasonOf, SyncError } from '../core/errors.ts';
import { parseExact } from '../core/json.ts';
import { callerOf, mayActAs } from './caller.ts';
import { invalidRequest } from './problem-answer.ts';
import type { Route } from './route.ts';

const bodyBytesMax = 100_000;

/** The routes as express knows them, and a refusal for every method an address does not take. */
export function mountRoutes(router: Router, routes: readonly Route[]): void {
  const text = express.text({ limit: bodyBytesMax, type: () => true });
  for (const route of routes) {
    const path = expressPath(route.path);
    if (route.body === undefined) router[route.method](path, handlerOf(route));
    else router[route.method](path, requireRole(route), requireJson, text, parseJson, handlerOf(route));
  }
  // After all of them: the pattern of one address may fit another.
  for (const [path, ofPath] of Map.groupBy(routes, (route) => expressPath(route.path))) {
    const allow = ofPath.map((route) => route.method.toUpperCase()).join(', ');
    router.all(path, (request, response) => refuseMethod(request, response, allow));
  }
}

export function refuseMethod(request: Request, response: Response, allow: string): void {
  response.set('allow', allow.includes('GET') ? `${allow}, HEAD` : allow);
  if (request.method !== 'OPTIONS')
    throw new SyncError('request.method-not-allowed', `only ${allow} is taken here, not ${request.method}`);
  response.status(204).end();
}

function handlerOf(route: Route): RequestHandler {
  return async (request, response) => {
    refuseRole(route, response);
    const answer = await route.handle({
      params: parsed('address', route.params, request.params),
      query: parsed('query', route.query, request.query),
      body: parsed('body', route.body, request.body),
      caller: callerOf(response),
    });
    response.status(route.status ?? 200).json(answer);
  };
}

/** Before the body is read: a stranger's is not. */
function requireRole(route: Route): RequestHandler {
  return (_request, response, next) => {
    refuseRole(route, response);
    next();
  };
}

function refuseRole(route: Route, response: Response): void {
  const caller = callerOf(response);
  if (mayActAs(caller, route.role)) return;
  if (caller.kind === 'anonymous')
    throw new SyncError('request.unauthenticated', `this needs an API key with the role ${route.role}`);
  throw new SyncError(
    'request.forbidden',
    `this needs the role ${route.role}; the key ${caller.name} has the role ${caller.role}`,
    {
      details: { roleNeeded: route.role },
    },
  );
}

const requireJson: RequestHandler = (request, _response, next) => {
  if (!request.is(['application/json', 'application/*+json'])) {
    throw new SyncError('request.unsupported-media-type', 'the content type must be application/json');
  }
  next();
};

/** Digits that a double does not carry are kept: what is posted may become a value of a record. */
const parseJson: RequestHandler = (request, _response, next) => {
  const text: unknown = request.body;
  try {
    request.body = typeof text === 'string' && text !== '' ? parseExact(text) : {};
  } catch (error) {
    if (isSyncError(error)) throw error;
    throw new SyncError('request.malformed', `the body is not JSON: ${reasonOf(error)}`, { cause: error });
  }
  next();
};

function parsed(where: string, schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  throw invalidRequest(where, result.error);
}

function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
