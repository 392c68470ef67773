import type { RequestHandler } from 'express';
import { SyncError } from '../core/errors.ts';

const ours = ['utf-8', 'utf8', 'us-ascii'];

/** JSON is UTF-8. Read as that, a body in another character set would be refused for reasons that mislead. */
export const refuseForeignCharset: RequestHandler = (request, _response, next) => {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset === undefined || ours.includes(charset.toLowerCase())) return next();
  throw new SyncError('request.unsupported-media-type', `the body says it is ${charset}, and only UTF-8 is taken`);
};
