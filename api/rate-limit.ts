import type { RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { SyncError } from '../core/errors.ts';
import { callerOf } from './caller.ts';

/** Per key, or per address where there is none. */
export function limitRate(perMinute: number): RequestHandler {
  return rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    keyGenerator: (request, response) => {
      const caller = callerOf(response);
      return caller.kind === 'key' ? `key ${caller.id}` : ipKeyGenerator(request.ip ?? '');
    },
    handler: (_request, _response, next) =>
      next(new SyncError('request.rate-limited', `more than ${perMinute} requests within a minute`)),
  });
}
