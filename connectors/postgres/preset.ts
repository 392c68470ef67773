import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { postgresAddress } from '../../core/config/address.ts';
import { postgresTarget } from '../../core/config/targets.ts';
import { SyncError } from '../../core/errors.ts';
import type { SourceConnector, SourceStream, StreamCheck } from '../../core/ports/source-connector.ts';
import { type ConnectorDeclaration, declareConnector } from '../declaration.ts';
import { declaredTables } from '../tables/table-declaration.ts';
import { postgresSourceOptions, postgresTableOptions, postgresTableProblem } from './source-options.ts';

export interface Preset {
  readonly name: string;
  readonly description: string;
  readonly urlHint: string;
  /** The server behind the pooler, where its address can be known. */
  directUrlOf(pooled: URL): string | undefined;
}

const ca = z.string().min(1).optional().describe('A file with the certificates to trust, where the system does not know them.');

/** A hosted PostgreSQL: asked through its pooler, replicated past it, and always over TLS that proves whose server it is. */
export function declarePreset(preset: Preset): ConnectorDeclaration {
  const { name, description, urlHint } = preset;
  return declareConnector({
    name,
    description,
    capabilities: { snapshot: true, changes: 'polled', deletes: true, target: true },
    source: {
      options: postgresSourceOptions.extend({ url: postgresAddress.describe(urlHint), ca }),
      entity: postgresTableOptions,
      problemOf: postgresTableProblem,
      async create({ options, ...context }) {
        const { createPostgresSource } = await import('./postgres-source.ts');
        const direct = options.directUrl ?? preset.directUrlOf(new URL(options.url));
        const logged = context.entities.find((entity) => entity.options.mode === 'logical');
        if (direct === undefined && logged !== undefined) {
          throw new SyncError(
            'config.invalid',
            `${logged.kind}: \`mode: logical\` needs \`directUrl\`, because a pooler does not replicate`,
          );
        }
        const url = secured(options.url, options.ca);
        const directUrl = direct === undefined ? undefined : secured(direct, options.ca);
        return withPatience(createPostgresSource({ ...options, ...context, url, directUrl }));
      },
    },
    target: {
      options: postgresTarget.options.extend({ url: postgresAddress.describe(urlHint), ca }),
      entity: postgresTarget.entity,
      async create({ target, options, entities, timeoutMs }) {
        const { PostgresTarget } = await import('./postgres-target.ts');
        return new PostgresTarget({
          url: secured(options.url, options.ca),
          connectionsMax: options.poolMax,
          timeoutMs,
          tables: declaredTables(entities),
          applicationName: `syncline-target-${target}`,
        });
      },
    },
  });
}

/** Whatever the address says: certificate and host name are checked. */
export function secured(address: string, caFile: string | undefined): string {
  const url = new URL(address);
  url.searchParams.set('sslmode', 'verify-full');
  if (caFile !== undefined) url.searchParams.set('sslrootcert', caFile);
  return url.href;
}

const wakeTries = 8;
const wakePauseMs = 1_000;

/** A database that sleeps while nobody asks refuses the first connections: a look at it waits until it is awake. Reading is tried again anyway. */
export function withPatience(connector: SourceConnector, pauseMs = wakePauseMs): SourceConnector {
  const patient = (stream: SourceStream): SourceStream => ({
    name: stream.name,
    kinds: stream.kinds,
    read: (from, signal) => stream.read(from, signal),
    ...(stream.acknowledge === undefined ? {} : { acknowledge: stream.acknowledge.bind(stream) }),
    check: async (): Promise<StreamCheck> => {
      for (let tries = 1; ; tries++) {
        const checked = await stream.check();
        if (checked.problem?.code !== 'source.unavailable' || tries === wakeTries) return checked;
        await sleep(pauseMs);
      }
    },
  });
  return { streams: connector.streams.map(patient), close: () => connector.close() };
}
