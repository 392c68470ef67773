import type { ConnectorSchemas } from '../core/config/config.ts';
import type { ConnectorDeclaration } from './declaration.ts';
import { firebirdConnector } from './firebird/connector.ts';
import { httpConnector } from './http/connector.ts';
import { mysqlConnector } from './mysql/connector.ts';
import { postgresConnector } from './postgres/connector.ts';
import { neonConnector, supabaseConnector } from './postgres/presets.ts';
import { sqlserverConnector } from './sqlserver/connector.ts';
import { wordpressConnector } from './wordpress/connector.ts';

/** A new connector is a folder and a line here. */
export const connectors: readonly ConnectorDeclaration[] = [
  httpConnector,
  postgresConnector,
  supabaseConnector,
  neonConnector,
  firebirdConnector,
  mysqlConnector,
  sqlserverConnector,
  wordpressConnector,
];

/** What a configuration may say of sources and targets. */
export const connectorSchemas: ConnectorSchemas = {
  sources: connectors.flatMap(({ name, source }) => (source === undefined ? [] : [{ name, ...source }])),
  targets: connectors.flatMap(({ name, target }) => (target === undefined ? [] : [{ name, ...target }])),
};

export function connectorNamed(name: string): ConnectorDeclaration | undefined {
  return connectors.find((connector) => connector.name === name);
}
