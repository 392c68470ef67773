import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import type { z } from 'zod';
import { isSyncError, reasonOf, SyncError } from '../core/errors.ts';
import { type FieldError, problemContentType, problemOf } from '../core/problem.ts';

const correlationIdPattern = /^[\x21-\x7e]{1,128}$/;
const retryAfterSeconds = '1';

/** The caller's correlation id where it is fit to be repeated, else one of ours. */
export function correlate(request: Request, response: Response, next: NextFunction): void {
  const given = request.get('x-correlation-id');
  const correlationId = given !== undefined && correlationIdPattern.test(given) ? given : randomUUID();
  response.locals.correlationId = correlationId;
  if (!response.headersSent) response.set('x-correlation-id', correlationId);
  next();
}

/** A request that failed before it was given an id gets it now. */
function correlationIdOf(request: Request, response: Response): string {
  if (response.locals.correlationId === undefined) correlate(request, response, () => undefined);
  return String(response.locals.correlationId);
}

export function notFound(request: Request): never {
  throw new SyncError('request.not-found', `there is nothing at ${request.method} ${request.path}`);
}

/** Express tells an error handler by its four parameters. */
export function answerProblems(onFailure: (error: unknown, correlationId: string) => void) {
  return (error: unknown, request: Request, response: Response, next: NextFunction): void => {
    const correlationId = correlationIdOf(request, response);
    const known = knownError(error);
    if (!isSyncError(known)) onFailure(error, correlationId);
    // The answer has begun: all that is left is to cut it off, so that nobody takes it for whole.
    if (response.headersSent) {
      next(error);
      return;
    }
    const problem = problemOf(known, correlationId);
    if (problem.status === 401) response.set('www-authenticate', 'Bearer');
    if (problem.status === 503) response.set('retry-after', retryAfterSeconds);
    response.status(problem.status).type(problemContentType).send(JSON.stringify(problem));
  };
}

/** What express itself refuses, in our words. */
function knownError(error: unknown): unknown {
  if (isSyncError(error)) return error;
  // What a router makes of `%zz`.
  if (error instanceof URIError) return new SyncError('request.malformed-address', reasonOf(error), { cause: error });
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown };
  if (type === 'entity.too.large') return new SyncError('request.too-large', reasonOf(error), { cause: error });
  if (type === 'encoding.unsupported' || type === 'charset.unsupported') {
    return new SyncError('request.unsupported-media-type', reasonOf(error), { cause: error });
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new SyncError('request.malformed', reasonOf(error), { cause: error });
  }
  return error;
}

export function invalidRequest(where: string, error: z.ZodError): SyncError {
  const errors = error.issues.flatMap((issue): FieldError[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ field: key, code: 'unknown', message: 'is not known here' }));
    }
    return [{ field: issue.path.join('.'), code: issue.code, message: issue.message }];
  });
  const first = errors[0]!;
  return new SyncError('request.invalid', `${where}: ${first.field === '' ? '' : `${first.field}: `}${first.message}`, {
    details: { errors },
  });
}
