import { isUtf8 } from 'node:buffer';
import express, { type Request, type RequestHandler } from 'express';
import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { type JsonValue, parseExact } from '../../core/json.ts';

/** Collects the bytes of a JSON request, inflated, never more than `bytesMax` of them. */
export function collectBody(bytesMax: number): RequestHandler {
  const collect = express.raw({ type: () => true, limit: bytesMax, inflate: true });
  return (request, response, next) => {
    if (!isJson(request.headers['content-type'])) {
      next(new SyncError('request.unsupported-media-type', 'the content type must be application/json'));
      return;
    }
    collect(request, response, (error?: unknown) => next(error === undefined ? undefined : bodyErrorOf(error, bytesMax)));
  };
}

export function bytesOf(request: Request<object>): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

/** Parsed once, no digit lost. */
export function parseBody(bytes: Buffer): JsonValue {
  if (bytes.length === 0) throw new SyncError('request.malformed', 'the body is empty');
  if (!isUtf8(bytes)) throw new SyncError('request.malformed', 'the body is not UTF-8');
  try {
    return parseExact(bytes.toString('utf8'));
  } catch (error) {
    if (isSyncError(error)) throw invalidBody(error.code, error.message);
    throw new SyncError('request.malformed', `the body is not JSON: ${reasonOf(error)}`, { cause: error });
  }
}

function invalidBody(code: string, message: string): SyncError {
  return new SyncError('request.invalid', message, { details: { errors: [{ field: '', code, message }] } });
}

function isJson(contentType: string | undefined): boolean {
  if (contentType === undefined) return false;
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  return type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'));
}

function bodyErrorOf(error: unknown, bytesMax: number): unknown {
  const kind = (error as { type?: unknown }).type;
  switch (kind) {
    case 'entity.too.large':
      return new SyncError('request.too-large', `the body is larger than ${bytesMax} bytes`, { details: { bytesMax } });
    case 'encoding.unsupported':
      return new SyncError('request.unsupported-media-type', 'the content encoding must be gzip, deflate, br or none');
    case 'request.aborted':
      return new SyncError('request.malformed', 'the body ended early');
    case 'request.size.invalid':
      return new SyncError('request.malformed', 'the body is not as long as Content-Length says');
    default:
      // What remains comes from inflating bytes that are not what Content-Encoding says.
      return new SyncError('request.malformed', `the body cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}
