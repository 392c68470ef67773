/** What a column's values are, as far as reading them differs. */
export type ColumnKind =
  /** Integers and decimals. */
  | 'number'
  | 'money'
  /** Of double precision. */
  | 'float'
  /** Of single precision. */
  | 'real'
  | 'bit'
  /** As long as was declared. */
  | 'varying'
  /** Padded with blanks. */
  | 'fixed'
  | 'long-text'
  | 'uuid'
  /** In steps of 3.33 ms. */
  | 'datetime'
  | 'datetime2'
  /** In steps of a minute. */
  | 'smalldatetime'
  | 'date'
  | 'time'
  /** A moment with the zone it was written in. */
  | 'offset'
  /** Given by the server, higher with every change in the whole database. */
  | 'rowversion'
  | 'bytes'
  | 'long-bytes'
  /** What has a text of its own: xml, sql_variant, hierarchyid. */
  | 'other';

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** As it was declared: `decimal(10,2)`. */
  readonly declared: string;
  readonly collation: string | null;
  readonly notNull: boolean;
  /** The user may read it. */
  readonly readable: boolean;
}

export interface DeclaredType {
  readonly type: string;
  /** -1: without a limit. */
  readonly bytesMax: number;
  readonly precision: number;
  readonly scale: number;
}

const kinds: Readonly<Record<string, ColumnKind>> = {
  tinyint: 'number',
  smallint: 'number',
  int: 'number',
  bigint: 'number',
  decimal: 'number',
  numeric: 'number',
  money: 'money',
  smallmoney: 'money',
  float: 'float',
  real: 'real',
  bit: 'bit',
  char: 'fixed',
  nchar: 'fixed',
  varchar: 'varying',
  nvarchar: 'varying',
  text: 'long-text',
  ntext: 'long-text',
  uniqueidentifier: 'uuid',
  datetime: 'datetime',
  datetime2: 'datetime2',
  smalldatetime: 'smalldatetime',
  date: 'date',
  time: 'time',
  datetimeoffset: 'offset',
  timestamp: 'rowversion',
  binary: 'bytes',
  varbinary: 'bytes',
  image: 'long-bytes',
  geography: 'long-bytes',
  geometry: 'long-bytes',
};

export function kindOf({ type, bytesMax }: DeclaredType): ColumnKind {
  const kind = kinds[type] ?? 'other';
  if (bytesMax !== -1) return kind;
  if (kind === 'varying') return 'long-text';
  return kind === 'bytes' ? 'long-bytes' : kind;
}

const lengthy: ReadonlySet<string> = new Set(['char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary']);
const scaled: ReadonlySet<string> = new Set(['datetime2', 'datetimeoffset', 'time']);

export function declaredText({ type, bytesMax, precision, scale }: DeclaredType): string {
  if (lengthy.has(type)) return `${type}(${bytesMax === -1 ? 'max' : type.startsWith('n') ? bytesMax / 2 : bytesMax})`;
  if (type === 'decimal' || type === 'numeric') return `${type}(${precision},${scale})`;
  if (scaled.has(type)) return `${type}(${scale})`;
  return type === 'timestamp' ? 'rowversion' : type;
}
