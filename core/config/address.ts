import { z } from 'zod';

const portMax = 65_535;
/** What stands between the host and the path, where it is digits. */
const portPattern = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*:(\d+)(?:[/?#]|$)/i;

/** What is wrong with an address: null where nothing is. */
export function addressProblem(text: string, protocols: readonly string[], expected: string): string | null {
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1))) return null;
  const port = portPattern.exec(text)?.[1];
  if (port === undefined || Number(port) <= portMax) return `expected ${expected}`;
  return `the port ${port} is above ${portMax}: expected ${expected}`;
}

export const postgresAddress = checkedText((text) => addressProblem(text, ['postgres', 'postgresql'], 'postgres://…'));

/** The address of a database that is named behind its host; `expected` is shown where it is none. */
export function databaseAddress(protocols: readonly string[], expected: string) {
  return checkedText((text) => {
    const isMissing = URL.canParse(text) && new URL(text).pathname.length < 2;
    return addressProblem(text, protocols, expected) ?? (isMissing ? `the database is missing: ${expected}` : null);
  });
}

export interface DatabasePlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** What such an address says, as clients take it. */
export function databasePlace(address: string, defaultPort: number): DatabasePlace {
  const { hostname, port, pathname, username, password } = new URL(address);
  return {
    host: hostname.replaceAll(/[[\]]/g, ''),
    port: port === '' ? defaultPort : Number(port),
    database: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}

function checkedText(problemOf: (text: string) => string | null) {
  return z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}
