import { z } from 'zod';
import type { Clock } from '../core/ports/clock.ts';
import type { SourceConnector } from '../core/ports/source-connector.ts';
import type { TargetConnector } from '../core/ports/target-connector.ts';

export interface ConnectorCapabilities {
  /** It can tell everything there is. */
  readonly snapshot: boolean;
  /** How changes come: sent to us, or asked for by us. */
  readonly changes: 'pushed' | 'polled' | 'none';
  /** It notices deletions. */
  readonly deletes: boolean;
  /** Resolved records can be written back. */
  readonly target: boolean;
}

/** One kind of entity as a connector reads it. */
export interface SourceEntity<EntityOptions> {
  readonly kind: string;
  /** Fields that make the key; empty where the connector knows it. */
  readonly key: readonly string[];
  /** The field that says when a change happened. */
  readonly occurredAt: string | undefined;
  readonly options: EntityOptions;
}

export interface SourceContext<Options, EntityOptions> {
  /** The configured name of the source. */
  readonly source: string;
  readonly options: Options;
  readonly entities: readonly SourceEntity<EntityOptions>[];
  /** What `polling` of the configuration says, for whatever a source does not say itself. */
  readonly polling: { readonly intervalMs: number; readonly batchRecordsMax: number };
  readonly clock: Clock;
}

/** One kind of entity as a connector writes it. */
export interface TargetEntity<EntityOptions> {
  readonly kind: string;
  readonly key: readonly string[];
  readonly deletes: boolean;
  /** The fields the mapping writes; undefined where that depends on the record. */
  readonly fields: readonly string[] | undefined;
  readonly options: EntityOptions;
}

export interface TargetContext<Options, EntityOptions> {
  readonly target: string;
  readonly options: Options;
  readonly entities: readonly TargetEntity<EntityOptions>[];
  readonly timeoutMs: number;
}

/** Options and what they make: what is read from the configuration beside what every source or target has. */
export interface SourceHalf<O extends z.ZodObject, E extends z.ZodObject> {
  readonly options: O;
  readonly entity: E;
  /** What one option of an entity cannot know of another. */
  problemOf?(entity: z.output<E>): { readonly path: string; readonly message: string } | undefined;
  /** Loads the client library when it is called, not before: a process carries what its sources need. Opens nothing. */
  create?(context: SourceContext<z.output<O>, z.output<E>>): Promise<SourceConnector>;
}

export interface TargetHalf<O extends z.ZodObject, E extends z.ZodObject> {
  readonly options: O;
  readonly entity: E;
  create(context: TargetContext<z.output<O>, z.output<E>>): Promise<TargetConnector>;
}

/** What a connector is, said once: schema, documentation, checks and wiring are made from it. */
export interface ConnectorDeclaration {
  readonly name: string;
  readonly description: string;
  readonly capabilities: ConnectorCapabilities;
  readonly source?: SourceHalf<z.ZodObject, z.ZodObject>;
  readonly target?: TargetHalf<z.ZodObject, z.ZodObject>;
}

interface TypedDeclaration<SO extends z.ZodObject, SE extends z.ZodObject, TO extends z.ZodObject, TE extends z.ZodObject>
  extends Omit<ConnectorDeclaration, 'source' | 'target'> {
  readonly source?: SourceHalf<SO, SE>;
  readonly target?: TargetHalf<TO, TE>;
}

/** Types the options for `create`; everybody else knows them as what the schema has let through. */
export function declareConnector<
  SO extends z.ZodObject = z.ZodObject,
  SE extends z.ZodObject = z.ZodObject,
  TO extends z.ZodObject = z.ZodObject,
  TE extends z.ZodObject = z.ZodObject,
>(declaration: TypedDeclaration<SO, SE, TO, TE>): ConnectorDeclaration {
  return declaration as unknown as ConnectorDeclaration;
}

export const noOptions = z.strictObject({});
