import { connectorNamed } from '../../connectors/registry.ts';
import { SyncError } from '../../core/errors.ts';
import { compileMapping } from '../../core/mapping/mapping.ts';
import type { TargetConnector } from '../../core/ports/target-connector.ts';
import type { RoleContext } from './role-context.ts';

type Target = RoleContext['config']['targets'][string];

/** The connector of a configured target, with its client library loaded. */
export async function openTarget(name: string, target: Target): Promise<TargetConnector> {
  const half = connectorNamed(target.connector)?.target;
  if (half === undefined) throw new SyncError('config.invalid', `the connector ${target.connector} writes to nothing`);
  return half.create({
    target: name,
    options: target.options,
    entities: Object.entries(target.entities).map(([kind, { key, deletes, mapping, options }]) => ({
      kind,
      key,
      deletes: deletes === 'delete',
      fields: compileMapping(mapping).fields,
      options,
    })),
    timeoutMs: target.timeoutMs,
  });
}
