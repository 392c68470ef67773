/**
 * The messages of PostgreSQL's `pgoutput` plugin, protocol 1: transactions one after the other in the order of their
 * commits. A log sequence number is kept as sixteen hex digits, which compare as the numbers do.
 */
export type Lsn = string;

export const lowestLsn: Lsn = '0'.repeat(16);

/** `16/B374D848`, as PostgreSQL writes it. */
export function lsnFromText(text: string): Lsn {
  const [high, low] = text.split('/');
  return high!.toLowerCase().padStart(8, '0') + low!.toLowerCase().padStart(8, '0');
}

export function lsnText(lsn: Lsn): string {
  const part = (digits: string) => Number.parseInt(digits, 16).toString(16).toUpperCase();
  return `${part(lsn.slice(0, 8))}/${part(lsn.slice(8))}`;
}

/** The texts of a row's columns in the order of its relation; undefined: a long value that did not change and was not sent. */
export type Tuple = readonly (string | null | undefined)[];

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  readonly name: string;
  /** Part of the replica identity. */
  readonly isIdentity: boolean;
  readonly typeOid: number;
  readonly typeModifier: number;
}

export interface PgoutputSink {
  begin(commitLsn: Lsn, committedAtMs: number): void;
  /** The first position behind the transaction. */
  commit(endLsn: Lsn): void;
  relation(relation: Relation): void;
  /** Asked for every row before it is read; what is not wanted is not told. */
  wants(oid: number): boolean;
  insert(oid: number, row: Tuple): void;
  /** The old row where its identity changed, or where all of it is logged. */
  update(oid: number, old: Tuple | null, row: Tuple): void;
  delete(oid: number, old: Tuple): void;
  truncate(oids: readonly number[]): void;
}

const [begin, commit, relation, insert, update, remove, truncate] = codes('BCRIUDT');
const [isNull, isUnchanged, isText, isNewRow] = codes('nutN');
/** 2000-01-01, from which PostgreSQL counts microseconds. */
const epochMs = Date.UTC(2000, 0, 1);

/** Reads one message, which begins at `start`. Messages that say nothing of rows are passed over. */
export function decodePgoutput(bytes: Buffer, start: number, sink: PgoutputSink): void {
  const kind = bytes[start];
  const at = start + 1;
  switch (kind) {
    case insert:
    case update:
    case remove: {
      const oid = bytes.readUInt32BE(at);
      if (sink.wants(oid)) decodeRow(bytes, at + 4, kind, oid, sink);
      return;
    }
    case begin:
      sink.begin(readLsn(bytes, at), epochMs + Math.floor(Number(bytes.readBigInt64BE(at + 8)) / 1_000));
      return;
    case commit:
      sink.commit(readLsn(bytes, at + 9));
      return;
    case relation:
      sink.relation(decodeRelation(bytes, at));
      return;
    case truncate: {
      const count = bytes.readInt32BE(at);
      sink.truncate(Array.from({ length: count }, (_, index) => bytes.readUInt32BE(at + 5 + index * 4)));
      return;
    }
    default:
      return;
  }
}

export function readLsn(bytes: Buffer, at: number): Lsn {
  return bytes.toString('hex', at, at + 8);
}

function codes(letters: string): number[] {
  return [...letters].map((letter) => letter.charCodeAt(0));
}

function decodeRow(bytes: Buffer, start: number, kind: number | undefined, oid: number, sink: PgoutputSink): void {
  const cursor: Cursor = { bytes, at: start };
  const first = bytes[cursor.at++];
  const tuple = decodeTuple(cursor);
  if (kind === insert) sink.insert(oid, tuple);
  else if (kind === remove) sink.delete(oid, tuple);
  else if (first === isNewRow) sink.update(oid, null, tuple);
  else {
    cursor.at++;
    sink.update(oid, tuple, decodeTuple(cursor));
  }
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

function decodeTuple(cursor: Cursor): Tuple {
  const { bytes } = cursor;
  let { at } = cursor;
  const count = bytes.readUInt16BE(at);
  at += 2;
  const tuple = new Array<string | null | undefined>(count);
  for (let column = 0; column < count; column++) {
    const kind = bytes[at++];
    if (kind === isText) {
      const length = bytes.readInt32BE(at);
      at += 4;
      tuple[column] = bytes.toString('utf8', at, at + length);
      at += length;
    } else if (kind === isNull) tuple[column] = null;
    else if (kind === isUnchanged) tuple[column] = undefined;
    else throw new Error(`a column of the kind ${String.fromCharCode(kind ?? 0)} was not asked for`);
  }
  cursor.at = at;
  return tuple;
}

function decodeRelation(bytes: Buffer, start: number): Relation {
  const cursor: Cursor = { bytes, at: start };
  const oid = bytes.readUInt32BE(cursor.at);
  cursor.at += 4;
  const schema = decodeText(cursor) || 'pg_catalog';
  const table = decodeText(cursor);
  cursor.at++;
  const count = bytes.readUInt16BE(cursor.at);
  cursor.at += 2;
  const columns = Array.from({ length: count }, (): RelationColumn => {
    const isIdentity = (bytes[cursor.at++]! & 1) === 1;
    const name = decodeText(cursor);
    const typeOid = bytes.readUInt32BE(cursor.at);
    const typeModifier = bytes.readInt32BE(cursor.at + 4);
    cursor.at += 8;
    return { name, isIdentity, typeOid, typeModifier };
  });
  return { oid, schema, table, columns };
}

function decodeText(cursor: Cursor): string {
  const end = cursor.bytes.indexOf(0, cursor.at);
  const text = cursor.bytes.toString('utf8', cursor.at, end);
  cursor.at = end + 1;
  return text;
}
