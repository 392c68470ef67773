import type { SynclineConfig } from '../core/config/config.ts';
import { SyncError } from '../core/errors.ts';

/** Where the services are, whoever started them. */
export interface Addresses {
  readonly kafka: readonly string[];
  readonly postgres: string;
  readonly redis: string;
  readonly registry: string | null;
}

/** How the parent of the roles tells them what the embedded stack listens on. */
export const embeddedAddressesVariable = 'SYNCLINE_EMBEDDED';

export type EmbeddedAddresses = Readonly<Partial<Record<'kafka' | 'postgres' | 'redis' | 'registry', string>>>;

export type ServicePart = keyof EmbeddedAddresses;

/** The part of the configuration that says where the services are. */
export type ServiceSettings = Pick<SynclineConfig, 'kafka' | 'postgres' | 'redis' | 'schemaRegistry'>;

/** The parts this configuration leaves to us. */
export function embeddedParts(config: ServiceSettings): ServicePart[] {
  const parts: ServicePart[] = [];
  if (config.postgres.url === 'embedded') parts.push('postgres');
  if (config.redis.url === 'embedded') parts.push('redis');
  if (config.kafka.brokers === 'embedded') parts.push('kafka');
  if (config.schemaRegistry.url === 'embedded') parts.push('registry');
  return parts;
}

export function resolveAddresses(config: ServiceSettings, embedded: EmbeddedAddresses): Addresses {
  return {
    kafka: config.kafka.brokers === 'embedded' ? [started('kafka', embedded)] : config.kafka.brokers,
    postgres: config.postgres.url === 'embedded' ? started('postgres', embedded) : config.postgres.url,
    redis: config.redis.url === 'embedded' ? started('redis', embedded) : config.redis.url,
    registry: registryOf(config, embedded),
  };
}

export function embeddedFromEnvironment(env: NodeJS.ProcessEnv): EmbeddedAddresses {
  const text = env[embeddedAddressesVariable];
  return text === undefined ? {} : (JSON.parse(text) as EmbeddedAddresses);
}

function registryOf(config: ServiceSettings, embedded: EmbeddedAddresses): string | null {
  const { url } = config.schemaRegistry;
  if (url === 'none') return null;
  return url === 'embedded' ? started('registry', embedded) : url;
}

function started(part: ServicePart, embedded: EmbeddedAddresses): string {
  const address = embedded[part];
  if (address !== undefined) return address;
  throw new SyncError(
    'stack.part-missing',
    `the configuration leaves ${part} to the embedded stack, which \`npm start\` brings up`,
  );
}
