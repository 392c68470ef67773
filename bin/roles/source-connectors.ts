import { connectorNamed } from '../../connectors/registry.ts';
import type { SynclineConfig } from '../../core/config/config.ts';
import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { unknownName } from '../../core/unknown-name.ts';

/** The connector of a configured source, with its client library loaded. Opens nothing. */
export async function openSource(config: SynclineConfig, name: string, clock: Clock): Promise<SourceConnector> {
  const source = Object.hasOwn(config.sources, name) ? config.sources[name] : undefined;
  if (source === undefined) throw unknownName('source', name, Object.keys(config.sources));
  const half = connectorNamed(source.connector)?.source;
  if (half?.create === undefined)
    throw new SyncError('config.invalid', `the source ${name} is not read: it sends its changes by itself`);
  return half.create({
    source: name,
    options: source.options,
    entities: Object.entries(source.entities).map(([kind, { key, occurredAt, options }]) => ({ kind, key, occurredAt, options })),
    polling: config.polling,
    clock,
  });
}
