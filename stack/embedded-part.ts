import type { DataDirectory } from './data-directory.ts';
import type { FetchContext } from './package-cache.ts';
import type { ServiceCommand } from './service-process.ts';

/** The services a stack is made of, each after what it needs. */
export const stackParts = ['postgres', 'redis', 'kafka', 'registry', 'firebird', 'mariadb'] as const;
export type StackPart = (typeof stackParts)[number];

/** The names of their ports in the data directory. */
export const portNamesOf: Readonly<Record<StackPart, readonly string[]>> = {
  postgres: ['postgres'],
  redis: ['redis'],
  kafka: ['kafka', 'kafka-controller'],
  registry: ['registry'],
  firebird: ['firebird', 'firebird-events'],
  mariadb: ['mariadb'],
};

export interface StackSettings {
  /** Upper bound of the broker's heap. */
  readonly kafkaHeapMb?: number;
  /** Further lines of server.properties. */
  readonly kafkaProperties?: Readonly<Record<string, string>>;
  readonly postgresSharedBuffersMb?: number;
  /** Further settings of postgresql.conf. */
  readonly postgresParameters?: Readonly<Record<string, string>>;
  readonly registryHeapMb?: number;
}

export interface EmbeddedContext extends FetchContext {
  readonly data: DataDirectory;
  readonly settings: StackSettings;
  /** Trades long-term speed and durability against power loss for a quick start: for tests. */
  readonly fast: boolean;
}

/** How one service is made ready, started and spoken to. */
export interface EmbeddedPart {
  readonly name: StackPart;
  /** Changes when a port had to be replaced. */
  address(): string;
  /** Parts that have to answer before this one can start. */
  readonly needs: readonly StackPart[];
  /** Fetches, formats, writes configuration: whatever is not yet as it must be. */
  prepare(): Promise<ServiceCommand>;
  /** True when the service answers in its own protocol. */
  ping(): Promise<boolean>;
  /** What the running service still needs before it is handed over. */
  complete?(): Promise<void>;
}
