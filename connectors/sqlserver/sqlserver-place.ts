import { z } from 'zod';
import { type DatabasePlace, databaseAddress, databasePlace } from '../../core/config/address.ts';
import { durationMs } from '../../core/config/units.ts';

const expected = 'sqlserver://user:password@host:1433/database';

/** What is needed to know of a database. */
export const placeOptions = z.strictObject({
  url: databaseAddress(['sqlserver', 'mssql'], expected).describe(
    `\`${expected}\`. Characters that mean something in addresses are written \`%40\`.`,
  ),
  encrypt: z.boolean().default(true).describe('The connection is encrypted.'),
  trustServerCertificate: z
    .boolean()
    .default(false)
    .describe('Takes any certificate of the server, such as the one it makes for itself; nobody proves then who answers.'),
  schema: z.string().min(1).max(128).default('dbo').describe('Of tables that are named without one.'),
  timeout: durationMs({ min: 1_000, max: 3_600_000 })
    .prefault('60s')
    .describe('How long one question may take. Then it is cancelled.'),
});

export type PlaceOptions = z.output<typeof placeOptions>;

export interface SqlServerPlace extends DatabasePlace {
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
  readonly schema: string;
  readonly timeoutMs: number;
  /** What the server's list of sessions calls us. */
  readonly applicationName: string;
}

const defaultPort = 1433;

export function placeFrom(options: PlaceOptions, applicationName: string): SqlServerPlace {
  const { url, encrypt, trustServerCertificate, schema, timeout } = options;
  return {
    ...databasePlace(url, defaultPort),
    encrypt,
    trustServerCertificate,
    schema,
    timeoutMs: timeout,
    applicationName,
  };
}

/** As messages call it, without the password. */
export function nameOf({ host, port, database }: SqlServerPlace): string {
  return `SQL Server ${host}:${port} ${database}`;
}
