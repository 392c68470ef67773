import { z } from 'zod';
import { questionTimeout } from '../tables/table-options.ts';

/** What a source and a target need to know of a database. */
export const placeOptions = z.strictObject({
  url: z
    .string()
    .regex(/^firebird:\/\/[^/]+\/.+/, 'firebird://user:password@host:3050//path/of/database.fdb, or an alias behind one slash')
    .describe(
      '`firebird://user:password@host:3050//path/of/database.fdb`, or `…/alias`. Characters that mean something in addresses are written `%40`.',
    ),
  role: z.string().min(1).max(63).optional().describe('The SQL role that is taken on.'),
  encryption: z
    .enum(['on', 'off'])
    .default('on')
    .describe('Whether the connection is encrypted where the server can do it; a server that demands it refuses `off`.'),
  characterSet: z
    .string()
    .default('WIN1252')
    .describe('What the bytes of columns without a character set (`NONE`) mean: WIN1250 to WIN1258, ISO8859_1, UTF8 and so on.'),
  timeout: questionTimeout,
});

export type PlaceOptions = z.output<typeof placeOptions>;

export interface FirebirdPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly role: string | undefined;
  readonly encryption: 'on' | 'off';
  readonly characterSet: string;
  readonly timeoutMs: number;
}

const defaultPort = 3050;

/** Behind one slash stands an alias, or a path of several parts; behind two a path from the root. */
export function placeFrom({ url, role, encryption, characterSet, timeout }: PlaceOptions): FirebirdPlace {
  const parsed = new URL(url);
  const path = decodeURIComponent(parsed.pathname);
  const isAlias = /^\/[^/]+$/.test(path) || /^\/[A-Za-z]:/.test(path);
  return {
    host: parsed.hostname.replaceAll(/[[\]]/g, ''),
    port: parsed.port === '' ? defaultPort : Number(parsed.port),
    database: isAlias ? path.slice(1) : path.replace(/^\/\//, '/'),
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    role,
    encryption,
    characterSet: characterSet.toUpperCase(),
    timeoutMs: timeout,
  };
}

/** As messages call it, without the password. */
export function nameOf({ host, port, database }: FirebirdPlace): string {
  return `Firebird ${host}:${port} ${database}`;
}
