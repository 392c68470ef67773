import { z } from 'zod';
import { type DatabasePlace, databaseAddress, databasePlace } from '../../core/config/address.ts';
import { questionTimeout } from '../tables/table-options.ts';

const expected = 'mysql://user:password@host:3306/database';

/** What a source and a target need to know of a database. */
export const placeOptions = z.strictObject({
  url: databaseAddress(['mysql', 'mariadb'], expected).describe(
    `\`${expected}\`, for MariaDB as well. Characters that mean something in addresses are written \`%40\`.`,
  ),
  tls: z
    .enum(['off', 'required', 'verify'])
    .default('off')
    .describe('`verify` encrypts and checks certificate and host name, `required` only encrypts.'),
  certificateAuthority: z
    .string()
    .min(1)
    .optional()
    .describe('For `tls: verify`: the authority’s certificate as PEM; without it the system’s authorities.'),
  timeout: questionTimeout,
});

/** Of a target, all of which have a time limit. */
export const targetPlaceOptions = placeOptions.omit({ timeout: true });

export type PlaceOptions = z.output<typeof placeOptions>;

export interface MysqlPlace extends DatabasePlace {
  readonly tls: PlaceOptions['tls'];
  readonly certificateAuthority: string | undefined;
  readonly timeoutMs: number;
  /** What the server's list of connections calls us. */
  readonly applicationName: string;
}

const defaultPort = 3306;

export function placeFrom(options: PlaceOptions, applicationName: string): MysqlPlace {
  const { url, tls, certificateAuthority, timeout } = options;
  return {
    ...databasePlace(url, defaultPort),
    tls,
    certificateAuthority,
    timeoutMs: timeout,
    applicationName,
  };
}

/** As messages call it, without the password. */
export function nameOf({ host, port, database }: MysqlPlace): string {
  return `MySQL ${host}:${port} ${database}`;
}
