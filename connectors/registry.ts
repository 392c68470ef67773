import type { z } from 'zod';
import { httpConnector } from './http/connector.ts';
import { postgresConnector } from './postgres/connector.ts';

/** What a connector is, said once: what it can do and what it needs to know. */
export interface ConnectorDeclaration {
  readonly name: string;
  readonly description: string;
  /** The options of a source of this type, beside what every source has. */
  readonly options: z.ZodObject;
  readonly capabilities: ConnectorCapabilities;
}

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

/** A new connector is a folder and a line here. */
export const connectors: readonly ConnectorDeclaration[] = [httpConnector, postgresConnector];
