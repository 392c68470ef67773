import type { z } from 'zod';
import type { ApiRole } from '../core/ports/api-key-store.ts';
import type { Caller } from './caller.ts';

/**
 * One route, declared once: the same schemas parse its requests and describe it in the OpenAPI document.
 */
export type Method = 'get' | 'post' | 'delete';

type Shape = z.ZodObject | undefined;
type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

export interface RouteRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly caller: Caller;
}

interface Declaration<P extends Shape, Q extends Shape, B extends Shape, A extends z.ZodType> {
  readonly method: Method;
  /** As OpenAPI writes it: `/api/sync-state/{entityId}`. */
  readonly path: string;
  readonly role: ApiRole;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly answer: A;
  readonly status?: 200 | 201 | 202;
  handle(request: RouteRequest<Parsed<P>, Parsed<Q>, Parsed<B>>): Promise<z.input<A>>;
}

export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly role: ApiRole;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly answer: z.ZodType;
  readonly status?: number;
  handle(request: RouteRequest<unknown, unknown, unknown>): Promise<unknown>;
}

export function declareRoute<
  A extends z.ZodType,
  P extends Shape = undefined,
  Q extends Shape = undefined,
  B extends Shape = undefined,
>(declaration: Declaration<P, Q, B, A>): Route {
  return declaration as unknown as Route;
}
