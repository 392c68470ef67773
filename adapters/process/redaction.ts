import type { SynclineConfig } from '../../core/config/config.ts';

const hidden = '***';
const secretNames = /^(authorization|cookie|passphrase|.*(password|secret|secretkey|apikey|token|credentials))$/i;
const urlPassword = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+(@)/gi;
const bearer = /\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}/g;
const depthMax = 8;
const secretCharactersMin = 6;

export type Redact = (value: unknown) => unknown;

/** Hides passwords in URLs, credentials in headers, fields named like secrets, and these secrets wherever they stand. */
export function redaction(secrets: readonly string[]): Redact {
  const known = secrets.filter((secret) => secret.length >= secretCharactersMin);
  const hideIn = (text: string): string => {
    let shown = text.replace(urlPassword, `$1${hidden}$2`).replace(bearer, `$1 ${hidden}`);
    for (const secret of known) shown = shown.replaceAll(secret, hidden);
    return shown;
  };
  const redact = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return hideIn(value);
    if (typeof value === 'bigint') return value.toString();
    if (typeof value !== 'object' || value === null) return value;
    if (depth === 0) return '…';
    if (value instanceof Error) return redact(errorFields(value), depth);
    if (value instanceof Date || Buffer.isBuffer(value)) return String(value);
    if (Array.isArray(value)) return value.map((item) => redact(item, depth - 1));
    const fields = Object.entries(value);
    return Object.fromEntries(fields.map(([name, inner]) => [name, secretNames.test(name) ? hidden : redact(inner, depth - 1)]));
  };
  return (value) => redact(value, depthMax);
}

/** What a human needs of an error; JSON shows none of it by itself. */
function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const { code, details } = error as { code?: unknown; details?: unknown };
  const isCatalogued = name === 'SyncError';
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(details === undefined ? {} : { details }),
    ...(cause === undefined ? {} : { cause }),
    // A failure of the world is named by its code; where in our code it surfaced helps nobody.
    ...(isCatalogued || stack === undefined ? {} : { stack }),
  };
}

/** Every secret the configuration holds. */
export function secretsOf(config: SynclineConfig): string[] {
  const systems = [...Object.values(config.sources), ...Object.values(config.targets)];
  const options = systems.flatMap((system) => Object.entries(system.options));
  const texts = options.filter((option): option is [string, string] => typeof option[1] === 'string');
  const named = texts.filter(([name]) => secretNames.test(name)).map(([, text]) => text);
  const urls = [config.postgres.url, config.redis.url, config.schemaRegistry.url, ...texts.map(([, text]) => text)];
  const passwords = urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).password);
  return [config.secretKey, ...named, ...passwords, ...passwords.map(decoded)].filter((secret) => secret !== '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
