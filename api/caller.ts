import type { Request, Response } from 'express';
import { type ApiRole, apiRoles } from '../core/ports/api-key-store.ts';

/** Who asks. Anonymous callers may do what is public, and ingest where the configuration lets this machine. */
export type Caller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'key'; readonly id: string; readonly name: string; readonly role: ApiRole };

export const anonymous: Caller = { kind: 'anonymous' };

export function setCaller(response: Response, caller: Caller): void {
  response.locals.caller = caller;
}

export function callerOf(response: Response): Caller {
  return (response.locals.caller as Caller | undefined) ?? anonymous;
}

/** What tells one client's idempotency keys from another's. */
export function callerIdOf(response: Response): string {
  const caller = callerOf(response);
  return caller.kind === 'key' ? caller.id : 'anonymous';
}

/** How a caller is written down where somebody will ask who did it. Names may be given twice, ids not. */
export function signatureOf(caller: Caller): string {
  return caller.kind === 'key' ? `${caller.name} (${caller.id})` : 'anonymous';
}

export function mayActAs(caller: Caller, role: ApiRole): boolean {
  return caller.kind === 'key' && apiRoles.indexOf(caller.role) >= apiRoles.indexOf(role);
}

const loopbackAddress = /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$|^::1$/;
const loopbackHost = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;
const forwardingHeaders = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * Whether the request began on this machine. A proxy here speaks for others, and a browser here can be led to our
 * address under a foreign name: neither counts.
 */
export function isFromThisMachine(request: Request): boolean {
  return (
    loopbackAddress.test(request.socket.remoteAddress ?? '') &&
    loopbackHost.test(request.headers.host ?? '') &&
    forwardingHeaders.every((header) => request.headers[header] === undefined)
  );
}
