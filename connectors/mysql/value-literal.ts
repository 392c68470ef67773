import { canonicalInstant } from '../../core/canonical/instant.ts';
import { ExactNumber, isJsonObject, type JsonValue, stringifyExact } from '../../core/json.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';
import type { Column } from './column-type.ts';
import { bytesFrom, bytesLiteral, textLiteral } from './sql-literal.ts';

/**
 * A value of a record as a literal for its column. The database alone knows what fits: what it would refuse as text it is
 * given as text, so that its own message names the column.
 */
export function valueLiteral(column: Column, value: JsonValue): string {
  if (value === null) return 'NULL';
  const { kind } = column.type;
  if (kind === 'json') return textLiteral(stringifyExact(value));
  if (kind === 'choices' && Array.isArray(value)) return textLiteral(value.map((word) => scalarText(column, word)).join(','));
  if (kind === 'text' && (Array.isArray(value) || isJsonObject(value))) return textLiteral(stringifyExact(value));
  const text = scalarText(column, value);
  switch (kind) {
    case 'number':
    case 'double':
    case 'single':
    case 'bits':
      return typeof value === 'string' ? textOfNumber(kind, value) : text;
    case 'bytes':
      return bytesOf(column, text);
    case 'timestamp':
    case 'datetime':
      return textLiteral(clockText(text));
    default:
      return textLiteral(text);
  }
}

function scalarText(column: Column, value: JsonValue): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || value instanceof ExactNumber) return String(value);
  throw new TargetRejected(`the column ${column.name} is a ${column.declared}, and takes neither lists nor objects`, {
    column: column.name,
  });
}

const digits = /^-?\d{1,65}$/;

/** Bits take a text for their bytes. */
function textOfNumber(kind: string, text: string): string {
  return kind === 'bits' && digits.test(text) ? text : textLiteral(text);
}

function bytesOf(column: Column, text: string): string {
  const bytes = bytesFrom(text);
  if (bytes !== undefined) return bytesLiteral(bytes);
  throw new TargetRejected(`the column ${column.name} holds bytes, which are written as base64`, { column: column.name });
}

/** Without a zone it is taken as it stands, which is UTC where the column is a moment. */
function clockText(text: string): string {
  return (canonicalInstant(text) ?? text).replace('T', ' ').replace('Z', '');
}
