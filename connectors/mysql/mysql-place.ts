import { z } from 'zod';
import { addressProblem } from '../../core/config/address.ts';
import { durationMs } from '../../core/config/units.ts';

/** What a source and a target need to know of a database. */
export const placeOptions = z.strictObject({
  url: z
    .string()
    .superRefine((text, context) => {
      const message = addressProblem(text, ['mysql', 'mariadb'], 'mysql://user:password@host:3306/database');
      if (message !== null) context.addIssue({ code: 'custom', message });
      else if (new URL(text).pathname.length < 2)
        context.addIssue({ code: 'custom', message: 'the database is missing: mysql://user:password@host:3306/database' });
    })
    .describe(
      '`mysql://user:password@host:3306/database`, for MariaDB as well. Characters that mean something in addresses are written `%40`.',
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
  timeout: durationMs({ min: 1_000, max: 3_600_000 })
    .prefault('60s')
    .describe('How long one question may take. Then the connection is given up and opened anew.'),
});

/** Of a target, all of which have a time limit. */
export const targetPlaceOptions = placeOptions.omit({ timeout: true });

export type PlaceOptions = z.output<typeof placeOptions>;

export interface MysqlPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: PlaceOptions['tls'];
  readonly certificateAuthority: string | undefined;
  readonly timeoutMs: number;
  /** What the server's list of connections calls us. */
  readonly applicationName: string;
}

const defaultPort = 3306;

export function placeFrom(options: PlaceOptions, applicationName: string): MysqlPlace {
  const { url, tls, certificateAuthority, timeout } = options;
  const parsed = new URL(url);
  return {
    host: parsed.hostname.replaceAll(/[[\]]/g, ''),
    port: parsed.port === '' ? defaultPort : Number(parsed.port),
    database: decodeURIComponent(parsed.pathname.slice(1)),
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
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
