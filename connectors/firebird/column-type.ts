import { SyncError } from '../../core/errors.ts';

/** A column as the database describes it. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** As it is written in SQL, with character set and collation: `VARCHAR(40) CHARACTER SET WIN1252 COLLATE WIN_PTBR`. */
  readonly declared: string;
  readonly notNull: boolean;
  /** The expression behind DEFAULT; null where there is none. */
  readonly preset: string | null;
  /** The database alone gives it its value. */
  readonly generated: boolean;
}

/**
 * bytes      of no character set: told as base64
 * unspecified   text of the character set NONE: bytes whose meaning the configuration tells
 */
export type ColumnType =
  | { readonly kind: 'number'; readonly sql: string }
  | { readonly kind: 'float' | 'double' | 'boolean' | 'date' | 'time' | 'timestamp'; readonly sql: string }
  | { readonly kind: 'zonedTime' | 'zonedTimestamp' | 'decimalFloat'; readonly sql: string }
  | {
      readonly kind: 'text';
      readonly sql: string;
      readonly length: number;
      readonly padded: boolean;
      readonly characterSet: string;
    }
  | { readonly kind: 'bytes' | 'unspecified'; readonly sql: string; readonly length: number; readonly padded: boolean }
  | { readonly kind: 'textBlob'; readonly sql: string; readonly characterSet: string }
  | { readonly kind: 'bytesBlob'; readonly sql: string };

export interface TypeFacts {
  readonly type: number;
  readonly subType: number;
  readonly scale: number;
  readonly precision: number;
  readonly length: number;
  readonly characters: number;
  readonly characterSet: string;
  readonly isArray: boolean;
}

/** The numbers of `RDB$FIELDS.RDB$FIELD_TYPE`. */
export function columnTypeOf(facts: TypeFacts, where: string): ColumnType {
  if (facts.isArray) throw notRead(where, 'an array');
  switch (facts.type) {
    case 7:
      return numberType(facts, 'SMALLINT');
    case 8:
      return numberType(facts, 'INTEGER');
    case 16:
      return numberType(facts, 'BIGINT');
    case 26:
      return numberType(facts, 'INT128');
    case 10:
      return { kind: 'float', sql: 'FLOAT' };
    case 27:
      return { kind: 'double', sql: 'DOUBLE PRECISION' };
    case 23:
      return { kind: 'boolean', sql: 'BOOLEAN' };
    case 24:
    case 25:
      return { kind: 'decimalFloat', sql: facts.type === 24 ? 'DECFLOAT(16)' : 'DECFLOAT(34)' };
    case 12:
      return { kind: 'date', sql: 'DATE' };
    case 13:
      return { kind: 'time', sql: 'TIME' };
    case 35:
      return { kind: 'timestamp', sql: 'TIMESTAMP' };
    case 28:
      return { kind: 'zonedTime', sql: 'TIME WITH TIME ZONE' };
    case 29:
      return { kind: 'zonedTimestamp', sql: 'TIMESTAMP WITH TIME ZONE' };
    case 14:
    case 37:
      return textType(facts);
    case 261:
      if (facts.subType !== 1) return { kind: 'bytesBlob', sql: 'BLOB SUB_TYPE BINARY' };
      return {
        kind: 'textBlob',
        sql: `BLOB SUB_TYPE TEXT CHARACTER SET ${facts.characterSet}`,
        characterSet: facts.characterSet,
      };
    default:
      throw notRead(where, `of a type this version does not know (${facts.type})`);
  }
}

function numberType({ scale, subType, precision }: TypeFacts, whole: string): ColumnType {
  if (scale === 0 && subType === 0) return { kind: 'number', sql: whole };
  const name = subType === 2 ? 'DECIMAL' : 'NUMERIC';
  // Old columns have a scale without a precision.
  const digits = precision > 0 ? precision : whole === 'SMALLINT' ? 4 : whole === 'INTEGER' ? 9 : whole === 'BIGINT' ? 18 : 38;
  return { kind: 'number', sql: `${name}(${digits}, ${-scale})` };
}

function textType({ type, characters, length, characterSet }: TypeFacts): ColumnType {
  const padded = type === 14;
  const name = padded ? 'CHAR' : 'VARCHAR';
  if (characterSet === 'OCTETS') return { kind: 'bytes', sql: `${name}(${length}) CHARACTER SET OCTETS`, length, padded };
  const declared = `${name}(${characters}) CHARACTER SET ${characterSet}`;
  if (characterSet === 'NONE') return { kind: 'unspecified', sql: declared, length: characters, padded };
  return { kind: 'text', sql: declared, length: characters, padded, characterSet };
}

function notRead(where: string, what: string): SyncError {
  return new SyncError(
    'source.misconfigured',
    `${where} is ${what}, which cannot be read: name the other columns in \`columns\``,
  );
}
