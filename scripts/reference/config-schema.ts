import { connectorSchemas } from '../../connectors/registry.ts';
import { configSchemaOf } from '../../core/config/config.ts';

/** The configuration with the options of every connector. */
export const fullConfigSchema = configSchemaOf(connectorSchemas);
