/** What a column's values are, as far as reading and writing them differs. */
export type ColumnType =
  /** Integers, decimals and years: digits, with zeros in front where the column fills them. */
  | { readonly kind: 'number'; readonly zeroFilled: boolean }
  | { readonly kind: 'double' }
  /** Of single precision. */
  | { readonly kind: 'single' }
  | { readonly kind: 'bits' }
  | { readonly kind: 'text'; readonly characterSet: string; readonly collation: string; readonly isLong: boolean }
  /** ENUM: one of its words. */
  | { readonly kind: 'choice' }
  /** SET: a list of its words. */
  | { readonly kind: 'choices' }
  | { readonly kind: 'json' }
  /** Told as base64. */
  | { readonly kind: 'bytes'; readonly isLong: boolean }
  | { readonly kind: 'date' }
  /** A wall clock of nobody knows where. */
  | { readonly kind: 'datetime' }
  /** A moment, told in UTC. */
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'time' }
  /** Text of ASCII alone, with rules of its own: UUID, INET6. */
  | { readonly kind: 'plain' };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** As it was declared: `decimal(10,2)`. */
  readonly declared: string;
  readonly notNull: boolean;
  /** The database alone gives it its value. */
  readonly generated: boolean;
  /** The user may read it. */
  readonly readable: boolean;
}

export interface DeclaredType {
  readonly dataType: string;
  readonly declared: string;
  readonly characterSet: string | null;
  readonly collation: string | null;
  /** MariaDB keeps JSON as text with a check. */
  readonly isCheckedJson: boolean;
}

const numbers = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'integer', 'bigint', 'decimal', 'numeric', 'year']);
const longTypes = new Set(['tinytext', 'text', 'mediumtext', 'longtext', 'tinyblob', 'blob', 'mediumblob', 'longblob']);

export function columnTypeOf({ dataType, declared, characterSet, collation, isCheckedJson }: DeclaredType): ColumnType {
  const isLong = longTypes.has(dataType);
  if (isCheckedJson || dataType === 'json') return { kind: 'json' };
  if (numbers.has(dataType)) return { kind: 'number', zeroFilled: declared.includes('zerofill') };
  switch (dataType) {
    case 'double':
    case 'real':
      return { kind: 'double' };
    case 'float':
      return { kind: 'single' };
    case 'bit':
      return { kind: 'bits' };
    case 'enum':
      return { kind: 'choice' };
    case 'set':
      return { kind: 'choices' };
    case 'date':
    case 'datetime':
    case 'timestamp':
    case 'time':
      return { kind: dataType };
    case 'uuid':
    case 'inet4':
    case 'inet6':
      return { kind: 'plain' };
    default:
      return characterSet === null || collation === null
        ? { kind: 'bytes', isLong: isLong || !dataType.includes('binary') }
        : { kind: 'text', characterSet, collation, isLong };
  }
}
