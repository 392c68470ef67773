import { ExactNumber, fieldOf, type JsonObject, type JsonValue } from './json.ts';

/**
 * The key of a row: its column's text, or the texts of several with `/` between them, in which `/` and `%` are written as
 * in addresses. Undefined where one is missing.
 */
export function keyTextOf(columns: readonly string[], row: JsonObject): string | undefined {
  const parts: string[] = [];
  for (const column of columns) {
    const text = textOf(fieldOf(row, column));
    if (text === undefined) return undefined;
    parts.push(columns.length === 1 ? text : text.replaceAll(/[%/]/g, (character) => encodeURIComponent(character)));
  }
  return parts.join('/');
}

/** The columns of a key, as texts; undefined where it has other parts than the table. */
export function keyColumnsOf(columns: readonly string[], key: string): JsonObject | undefined {
  const parts = columns.length === 1 ? [key] : key.split('/').map(decoded);
  if (parts.length !== columns.length) return undefined;
  return Object.fromEntries(columns.map((column, index) => [column, parts[index]!]));
}

function decoded(part: string): string {
  return part.replaceAll(/%2F|%25/gi, (written) => decodeURIComponent(written));
}

function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'number' || value instanceof ExactNumber) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
