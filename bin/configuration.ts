import { loadConfig as loadConfigWith } from '../adapters/process/config-file.ts';
import { connectorNamed, connectorSchemas } from '../connectors/registry.ts';
import { configSchemaOf, type SynclineConfig } from '../core/config/config.ts';

/** The configuration with the options of every connector there is. */
const fullConfigSchema = configSchemaOf(connectorSchemas);

export function loadConfig(file: string, env: Readonly<Record<string, string | undefined>>): SynclineConfig {
  return loadConfigWith(file, env, fullConfigSchema);
}

/** Whether we ask the source for its changes, rather than being sent them. */
export function isRead({ connector }: { readonly connector: string }): boolean {
  return connectorNamed(connector)?.source?.create !== undefined;
}
